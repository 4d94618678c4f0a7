"""Every setting: name, type, unit and default. A wrong value stops the start with a sentence."""

import contextlib
import math
import os
import re
import secrets
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from callevents.encryption import is_key, make_key

Network = IPv4Network | IPv6Network

VERSION = "1.0"
PREFIX = "CALLEVENTS_"
#: Unix socket paths longer than this do not fit into the kernel's structure.
MAX_SOCKET_PATH = 100


class SettingsError(ValueError):
    """One or more settings are wrong; the text says which, and what they may be."""


class Settings(BaseSettings):
    """The settings, read from environment variables named CALLEVENTS_ and the field's name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the web server listens on.")
    data_dir: Path = Field(
        Path("data"),
        description="Folder for what belongs to this installation: SQLite's file, the secret key, "
        "the embedded Valkey's socket.",
    )
    database_url: str = Field(
        "",
        description="PostgreSQL or SQLite to use, as a URL such as "
        "postgresql://user:password@host/name. Empty: SQLite in the data folder.",
    )
    redis_url: str = Field(
        "",
        description="Redis or Valkey to use, as a URL such as redis://host:6379/0. "
        "Empty: an embedded Valkey.",
    )
    secret_key: str = Field(
        "",
        description="Signs sessions and forms; at least 32 characters, the same on every machine. "
        "Empty: made once and kept in the data folder.",
    )
    encryption_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Keys that secrets of requests are encrypted with in the database, with commas "
        "between them: the first encrypts, all decrypt; the same on every machine. "
        "Empty: made once and kept in the data folder.",
    )
    admin_username: str = Field(
        "admin", min_length=1, max_length=64, description="Name of the first admin."
    )
    admin_password: str = Field(
        "",
        description="Password of the first admin, at least 8 characters. Empty: made and printed "
        "once. Has no effect when a user exists already.",
    )
    allowed_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Networks, with commas between them, that requests may go to although they "
        "are loopback, private, link-local or reserved; for example 10.0.0.0/8,127.0.0.0/8.",
    )
    workers: int = Field(
        1, ge=1, le=64, description="Worker processes that `make run` and `flask up` start."
    )
    worker_threads: int = Field(
        48, ge=1, le=512, description="Requests that one worker process makes at the same time."
    )
    origin_in_flight: int = Field(
        16,
        ge=1,
        le=512,
        description="Requests that one worker process makes at the same time to one origin "
        "(scheme, host and port).",
    )
    web_processes: int = Field(
        1, ge=1, le=64, description="Web server processes; with SQLite it is always one."
    )
    web_threads: int = Field(16, ge=1, le=512, description="Threads of one web server process.")
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=8,
        description="Reverse proxies in front of the web server whose X-Forwarded-For, -Proto and "
        "-Host are believed.",
    )
    connect_timeout_seconds: float = Field(
        3, gt=0, le=60, description="Longest time for opening a connection to a receiver."
    )
    read_timeout_seconds: float = Field(
        10, gt=0, le=300, description="Longest silence of a receiver during an attempt."
    )
    total_timeout_seconds: float = Field(
        15, gt=0, le=600, description="Longest time for one attempt as a whole."
    )
    ca_bundle: Path | None = Field(
        None,
        description="File with the certificates of the authorities that receivers' certificates "
        "are checked against, in PEM. Empty: those of the package certifi.",
    )
    proxy_url: str = Field(
        "",
        description="HTTP proxy that requests go through, as a URL such as "
        "http://user:password@proxy.example:3128. Empty: none. The proxy variables of other "
        "programs have no effect.",
    )
    retry_schedule_seconds: Annotated[tuple[float, ...], NoDecode] = Field(
        (1, 5, 15, 60, 300, 900, 3600, 10800, 21600),
        min_length=1,
        description="Waits after the first, second, ... failed attempt, with commas between them; "
        "the last one repeats. Each is changed at random by up to 20 %.",
    )
    retry_after_max_seconds: float = Field(
        3600,
        ge=0,
        description="The longest wait that a receiver may ask for with Retry-After; longer ones "
        "count as this.",
    )
    breaker_failures: int = Field(
        5,
        ge=1,
        le=1000,
        description="Attempts in a row without a connection, or without an answer in time, after "
        "which nothing more is sent to the origin for a while.",
    )
    breaker_first_pause_seconds: float = Field(
        10,
        gt=0,
        description="How long such a pause is at first. After it one delivery is sent as a probe; "
        "each failed probe doubles the pause.",
    )
    breaker_longest_pause_seconds: float = Field(
        300, gt=0, description="How long such a pause may become."
    )
    suspend_after_seconds: float = Field(
        86400,
        gt=0,
        description="A request whose attempts have all failed for so long is suspended.",
    )
    lease_seconds: float = Field(
        30,
        ge=2,
        le=3600,
        description="How long a worker owns a delivery it has claimed; it renews the lease while "
        "it lives. A killed worker's deliveries are made again after this time.",
    )
    poll_seconds: float = Field(
        1, gt=0, le=60, description="How often a worker looks for due deliveries by itself."
    )
    public_url: str = Field(
        "",
        description="Where people reach the pages, for links in notifications; for example "
        "https://calls.example.",
    )
    mail_from: str = Field("", description="Sender of e-mail, such as calls@example.com.")
    mail_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Who gets e-mail, with commas between addresses."
    )
    smtp_url: str = Field(
        "",
        description="Mail server for notifications, as smtp://user:password@host:587 or "
        "smtps://host. Empty: no e-mail.",
    )
    notify_url: str = Field(
        "", description="URL that gets notifications as a POST of JSON. Empty: none."
    )
    metrics_token: str = Field(
        "", description="Token with which Prometheus reads /metrics. Empty: there are no metrics."
    )
    retention_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Call events are removed with their deliveries and attempts when they are "
        "older than this; 0 keeps them for ever.",
    )
    shutdown_seconds: float = Field(
        5, ge=0, le=300, description="How long a stopping worker waits for its running attempts."
    )
    ingest_events_per_minute: int = Field(
        120_000,
        ge=1,
        description="Call events that one PBX may report within a minute to one web process; "
        "more are answered with 429.",
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )
    log_format: str = Field(
        "auto",
        pattern="^(auto|console|json)$",
        description="console, json, or auto: console on a terminal, JSON elsewhere.",
    )

    @field_validator("allowed_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("retry_schedule_seconds", mode="before")
    @classmethod
    def _split_seconds(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(_seconds(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return _keys(value) if isinstance(value, str) else value

    @field_validator("mail_to", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("mail_from", "mail_to")
    @classmethod
    def _check_addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (value,) if isinstance(value, str) else value:
            if address and not re.fullmatch(r"[!-~]+@[!-~]+", address):
                raise ValueError(f"{address!r} is not an e-mail address such as calls@example.com")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, value: str, info: ValidationInfo) -> str:
        _refuse_url(value, "smtp://", "smtps://")
        if value and not (info.data.get("mail_from") and info.data.get("mail_to")):
            raise ValueError("needs CALLEVENTS_MAIL_FROM and CALLEVENTS_MAIL_TO beside it")
        return value

    @field_validator("public_url", "notify_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        _refuse_url(value, "http://", "https://")
        return value.rstrip("/")

    @field_validator("ca_bundle")
    @classmethod
    def _check_ca_bundle(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=value)
            except OSError as error:
                raise ValueError(f"is no file of certificates in PEM ({error})") from None
        return value

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: str) -> str:
        if value and len(value) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @field_validator("admin_password")
    @classmethod
    def _check_admin_password(cls, value: str) -> str:
        if value and len(value) < 8:
            raise ValueError("must have at least 8 characters")
        return value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if value and value.partition(":")[0] not in _DATABASE_SCHEMES:
            raise ValueError("must begin with postgresql:// or sqlite:///")
        return value

    @field_validator("proxy_url")
    @classmethod
    def _check_proxy_url(cls, value: str) -> str:
        if value and not _is_proxy_url(value):
            raise ValueError("must be a URL such as http://proxy.example:3128")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if value and value.partition("://")[0] not in {"redis", "rediss", "unix"}:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL with the driver that is installed."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir.resolve() / 'callevents.sqlite3'}"
        scheme, rest = self.database_url.split(":", 1)
        return f"{_DATABASE_SCHEMES[scheme]}:{rest}"

    @property
    def uses_sqlite(self) -> bool:
        """Whether the database is SQLite, which allows one web process only."""
        return self.sqlalchemy_url.startswith("sqlite")

    @property
    def embeds_valkey(self) -> bool:
        """Whether the embedded Valkey is used."""
        return not self.redis_url

    @property
    def valkey_socket(self) -> Path:
        """The embedded Valkey's socket: in the data folder, or elsewhere if that is too deep."""
        path = self.data_dir.resolve() / "valkey.sock"
        if len(str(path)) <= MAX_SOCKET_PATH:
            return path
        digest = sha256(str(path).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"callevents-{digest}" / "valkey.sock"

    @property
    def queue_url(self) -> str:
        """The URL of Redis or Valkey, given or embedded."""
        return self.redis_url or f"unix://{self.valkey_socket}"

    def make_data_dir(self) -> Path:
        """Make the data folder if it is missing, readable by its owner only; return it."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.data_dir

    def read_secret_key(self) -> str:
        """Return the secret key: the setting, else the data folder's, made if missing."""
        if self.secret_key:
            return self.secret_key
        path = self.make_data_dir() / "secret_key"
        if not path.exists():
            _write_new_secret(path, secrets.token_urlsafe(48))
        return path.read_text().strip()

    @property
    def encryption_keys_file(self) -> Path:
        """Where the keys are kept that no setting gives."""
        return self.data_dir / "encryption_keys"

    def read_encryption_keys(self) -> Sequence[str]:
        """Return the setting's keys, else the data folder's, made if missing.

        Raises SettingsError if the file has something else.
        """
        if self.encryption_keys:
            return self.encryption_keys
        path = self.encryption_keys_file
        if not path.exists():
            self.make_data_dir()
            _write_new_secret(path, make_key())
        try:
            return _keys(path.read_text().replace("\n", ","))
        except ValueError as error:
            raise SettingsError(f"The file {path} is wrong: {error}.") from None

    def add_encryption_key(self) -> None:
        """Put a new key before those in the data folder; raises SettingsError.

        Where the setting gives the keys, it has to be put there.
        """
        if self.encryption_keys:
            raise SettingsError(f"The keys are in the setting {PREFIX}ENCRYPTION_KEYS.")
        _write_keys(self.encryption_keys_file, [make_key(), *self.read_encryption_keys()])

    def drop_old_encryption_keys(self) -> None:
        """Keep the first key in the data folder, and the one before: others may still use that."""
        _write_keys(self.encryption_keys_file, self.read_encryption_keys()[:2])


_DATABASE_SCHEMES = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}


def _refuse_url(text: str, *beginnings: str) -> None:
    """Raise ValueError unless the text is empty or such a URL with a host."""
    if not text:
        return
    if not text.startswith(beginnings):
        raise ValueError(f"must begin with {' or '.join(beginnings)}")
    # Reading the port raises a ValueError of its own.
    if not urlsplit(text).hostname or urlsplit(text).port == 0:
        raise ValueError("must have a host")


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8 ({error})") from None


def _is_proxy_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # reading it checks it
    except ValueError:
        return False
    return parts.scheme == "http" and bool(parts.hostname) and parts.path in {"", "/"}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text!r} is not a number of seconds above zero")
    return seconds


def _keys(text: str) -> tuple[str, ...]:
    keys = tuple(part.strip() for part in text.split(",") if part.strip())
    if not keys or not all(map(is_key, keys)):
        raise ValueError("must be keys that `flask secrets make-key` has made")
    return keys


def _write_keys(path: Path, keys: Sequence[str]) -> None:
    """Replace the file as a whole, so that nobody reads a part of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(keys))
    Path(name).replace(path)


def _write_new_secret(path: Path, text: str) -> None:
    """Write a new secret, readable by its owner only, unless another process has been faster."""
    # mkstemp makes private files; the link appears at once and whole, and never replaces one.
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(name)
    Path(name).unlink()


def load_settings(**overrides: object) -> Settings:
    """Read the settings from the environment; raises SettingsError about all wrong ones."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise SettingsError("\n".join(map(_sentence, error.errors()))) from None


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
