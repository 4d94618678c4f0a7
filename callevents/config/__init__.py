"""Every setting: name, type, unit and default. An invalid value stops the start."""

from callevents.config.base import PREFIX, SettingsError
from callevents.config.http_client import AllowedNetwork
from callevents.config.settings import Settings, load_settings

VERSION = "1.0"

__all__ = ["PREFIX", "VERSION", "AllowedNetwork", "Settings", "SettingsError", "load_settings"]
