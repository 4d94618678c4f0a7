"""The database schema: migrate it, check whether it is current."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from callevents.errors import CallEventsError
from callevents.extensions import db

MIGRATIONS = Path(__file__).parents[1] / "migrations"
#: Revisions of databases made before the first release; their migrations no longer exist.
UNRELEASED = frozenset(f"{number:04}" for number in range(1, 8))


class DatabaseError(CallEventsError):
    """The database cannot be used."""


class UnreleasedError(CommandError):
    """The database was created by a version that was never released."""


def upgrade(app: Flask) -> None:
    """Migrate the database to this version's schema; raises DatabaseError."""
    with app.app_context(), _database_errors(db.engine.url):
        try:
            command.upgrade(_config(app), "head")
        except UnreleasedError as error:
            raise DatabaseError(str(error)) from None
        except CommandError as error:
            raise DatabaseError(
                f"The database {_where(db.engine.url)} was created by another version of "
                f"Call Events: {error}."
            ) from None
        finally:
            # A process must not have open connections when it forks.
            db.engine.dispose()


def refuse_unreleased(connection: Connection) -> None:
    """Raise UnreleasedError if a development version created the database.

    The migrations call it, so that `flask db upgrade` says the same as the program.
    """
    applied = MigrationContext.configure(connection).get_current_heads()
    if applied and UNRELEASED.issuperset(applied):
        raise UnreleasedError(
            f"The database {_where(connection.engine.url)} was created by an unreleased "
            "development version of Call Events and cannot be upgraded. Use a new database: move "
            "the old one away or change CALLEVENTS_DATABASE_URL."
        )


def check_released(app: Flask) -> None:
    """Raise DatabaseError if a development version created the database.

    Processes that migrate nothing call it before they start. A database that cannot be reached
    passes: the processes wait for it.
    """
    with app.app_context(), suppress(DBAPIError), db.engine.connect() as connection:
        try:
            refuse_unreleased(connection)
        except UnreleasedError as error:
            raise DatabaseError(str(error)) from None


def is_current(app: Flask) -> bool:
    """Return True if the database has this version's schema; raises DatabaseError."""
    with app.app_context(), _database_errors(db.engine.url):
        return has_current_tables(db.engine)


def is_empty(app: Flask) -> bool:
    """Return True if no migration has been applied; raises DatabaseError."""
    with app.app_context(), _database_errors(db.engine.url), db.engine.connect() as connection:
        return not MigrationContext.configure(connection).get_current_heads()


def has_current_tables(engine: Engine) -> bool:
    """Return True if all migrations have been applied; raises DBAPIError."""
    with engine.connect() as connection:
        applied = MigrationContext.configure(connection).get_current_heads()
    return frozenset(applied) == _heads()


def _config(app: Flask) -> Config:
    config: Config = app.extensions["migrate"].migrate.get_config()
    return config


@cache
def _heads() -> frozenset[str]:
    """Return the ids of the newest migrations, read once: they never change at run time."""
    return frozenset(ScriptDirectory(str(MIGRATIONS)).get_heads())


@contextmanager
def _database_errors(url: URL) -> Iterator[None]:
    """Turn DBAPIError into DatabaseError with a message for users."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise DatabaseError(f"The database {_where(url)} cannot be used: {reason}.") from None


def _where(url: URL) -> str:
    """Return the database's name and host, without user and password."""
    if not url.host:
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.database} on {url.host}{port}"
