"""The base of the setting groups."""

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CALLEVENTS_"


class SettingsError(ValueError):
    """One or more settings are invalid; the message says which, and which values are valid."""


class SettingsGroup(BaseSettings):
    """A group of settings, read from environment variables with the prefix."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)
