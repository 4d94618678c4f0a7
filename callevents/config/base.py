"""What all groups of settings have in common."""

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CALLEVENTS_"


class SettingsError(ValueError):
    """One or more settings are wrong; the text says which, and what they may be."""


class SettingsGroup(BaseSettings):
    """Settings that belong together, read from environment variables with the prefix."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)
