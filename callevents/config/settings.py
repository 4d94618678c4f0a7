"""All settings, read from the environment and validated."""

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
from callevents.config.sign_in import SignInSettings
from callevents.config.web_server import WebServerSettings

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
    WebServerSettings,
    ProcessSettings,
    SignInSettings,
    SecretSettings,
):
    """All settings. The environment variable of a field is CALLEVENTS_ and its name."""


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; raises one SettingsError for all invalid ones."""
    try:
        return Settings(**{**dict(_read_renamed()), **overrides})  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise SettingsError("\n".join(map(_error_message, error.errors()))) from None


def _read_renamed() -> Iterator[tuple[str, object]]:
    """Yield new name and value of settings that have only their old name; log a warning."""
    # As pydantic reads them: in any case, and not if empty.
    given = {name.upper(): value for name, value in os.environ.items() if value}
    for old, new in RENAMED.items():
        old_name, new_name = PREFIX + old.upper(), PREFIX + new.upper()
        value = given.get(old_name)
        if value and new_name not in given:
            log.warning("%s is now %s; the old name works for one release.", old_name, new_name)
            yield new, value


def _error_message(error: Mapping[str, Any]) -> str:
    name = PREFIX + "_".join(map(str, error["loc"])).upper()
    message = error["msg"].removeprefix("Value error, ")
    # Their values can contain passwords, and the message is logged.
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
        "oidc_providers",
    }:
        return f"Invalid setting {name}: {message}."
    return f"Invalid setting {name}: {message} (got {error['input']!r})."
