"""Every setting: name, type, unit and default. A wrong value stops the start with a sentence."""

from callevents.config.environment import load_settings
from callevents.config.group import PREFIX, SettingsError
from callevents.config.outgoing import Network
from callevents.config.settings import Settings

VERSION = "1.0"

__all__ = ["PREFIX", "VERSION", "Network", "Settings", "SettingsError", "load_settings"]
