"""Settings of the web server's address, data folder, database and queue."""

import tempfile
from hashlib import sha256
from pathlib import Path

from pydantic import Field, field_validator

from callevents.config.base import SettingsGroup

#: Longer paths do not fit into sockaddr_un.
MAX_SOCKET_PATH_LENGTH = 100

_DATABASE_SCHEMES = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}


class StorageSettings(SettingsGroup):
    """The web server's address, the data folder, the database and the queue."""

    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that the web server listens on.")
    data_dir: Path = Field(
        Path("data"),
        description="Folder for the data of this installation: SQLite's file, the secret keys, the "
        "embedded Valkey's socket.",
    )
    recipes_dir: str = Field(
        "",
        description="Folder with recipes of your own, as .toml files. One with the name of a "
        "built-in recipe replaces it. Empty: none.",
    )
    database_url: str = Field(
        "",
        description="PostgreSQL or SQLite database, as a URL such as "
        "postgresql://user:password@host/name. Empty: SQLite in the data folder.",
    )
    redis_url: str = Field(
        "",
        description="Redis or Valkey, as a URL such as redis://host:6379/0. "
        "Empty: an embedded Valkey.",
    )

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if value and value.partition(":")[0] not in _DATABASE_SCHEMES:
            raise ValueError("must begin with postgresql:// or sqlite:///")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if value and value.partition("://")[0] not in {"redis", "rediss", "unix"}:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return value

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with the installed driver."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir.resolve() / 'callevents.sqlite3'}"
        scheme, rest = self.database_url.split(":", 1)
        return f"{_DATABASE_SCHEMES[scheme]}:{rest}"

    @property
    def uses_sqlite(self) -> bool:
        """True if the database is SQLite, which allows one web process only."""
        return self.sqlalchemy_url.startswith("sqlite")

    @property
    def embeds_valkey(self) -> bool:
        """True if the embedded Valkey is used."""
        return not self.redis_url

    @property
    def valkey_socket(self) -> Path:
        """The embedded Valkey's socket: in the data folder, or in /tmp if its path is too long."""
        path = self.data_dir.resolve() / "valkey.sock"
        if len(str(path)) <= MAX_SOCKET_PATH_LENGTH:
            return path
        digest = sha256(str(path).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"callevents-{digest}" / "valkey.sock"

    @property
    def queue_url(self) -> str:
        """The URL of Redis or Valkey, given or embedded."""
        return self.redis_url or f"unix://{self.valkey_socket}"

    def make_data_dir(self) -> Path:
        """Create the data folder if it is missing, readable by its owner only; return it."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.data_dir
