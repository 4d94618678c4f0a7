"""Reads the settings, and says which are wrong."""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from callevents.config.base import PREFIX, SettingsError
from callevents.config.delivery import DeliverySettings
from callevents.config.http_client import HttpClientSettings
from callevents.config.notifications import NotificationSettings
from callevents.config.operations import OperationsSettings
from callevents.config.processes import ProcessSettings
from callevents.config.secrets import SecretSettings

#: Settings that were renamed, old name to new. The old names work for one release.
RENAMED = {
    "listen_longest_pause_seconds": "listen_backoff_max_seconds",
    "breaker_first_pause_seconds": "breaker_open_seconds",
    "breaker_longest_pause_seconds": "breaker_open_max_seconds",
}

log = logging.getLogger("callevents.config")


# Pydantic takes the fields of the last base first; docs/configuration.md has them in that order.
class Settings(
    OperationsSettings,
    NotificationSettings,
    DeliverySettings,
    HttpClientSettings,
    ProcessSettings,
    SecretSettings,
):
    """The settings, read from environment variables named CALLEVENTS_ and the field's name."""


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; raises SettingsError about all wrong ones."""
    try:
        return Settings(**{**dict(_renamed()), **overrides})  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise SettingsError("\n".join(map(_sentence, error.errors()))) from None


def _renamed() -> Iterator[tuple[str, object]]:
    """Yield the values that the environment has under old names only, and warn of each."""
    for old, new in RENAMED.items():
        old_name, new_name = PREFIX + old.upper(), PREFIX + new.upper()
        value = os.environ.get(old_name)
        if value and not os.environ.get(new_name):
            log.warning("%s is now %s; the old name works for one release.", old_name, new_name)
            yield new, value


def _sentence(error: Mapping[str, Any]) -> str:
    name = PREFIX + "_".join(map(str, error["loc"])).upper()
    message = error["msg"].removeprefix("Value error, ")
    # These may hold passwords, and the sentence ends in logs and on terminals.
    if error["loc"][0] in {
        "secret_key",
        "encryption_keys",
        "admin_password",
        "database_url",
        "redis_url",
        "proxy_url",
        "smtp_url",
        "notify_url",
        "metrics_token",
    }:
        return f"The setting {name} is wrong: {message}."
    return f"The setting {name} is wrong: {message}. It has the value {error['input']!r}."
