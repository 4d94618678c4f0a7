"""The Flask extensions, unbound, and how a database session becomes a writer's."""

import contextlib
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from flask import Flask, Response, current_app
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Connection, Engine, MetaData, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection
from werkzeug.exceptions import HTTPException

from callevents.config import Settings
from callevents.encryption import Cipher

T = TypeVar("T")
MakeApp = Callable[[Settings], Flask]
ErrorResponse = Callable[[HTTPException], Response]

#: Names for constraints, so that migrations can drop what they made on every database.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
SQLITE_BUSY_TIMEOUT_MS = 10_000
#: Who waits to write asks again after this.
SQLITE_TURN_SECONDS = 0.0005
#: A connection to PostgreSQL that was idle for longer is asked whether it is still alive.
FRESH_SECONDS = 0.2
_USED_AT = "callevents_used_at"
#: Execution option of a transaction that will write.
WRITES = {"callevents_writes": True}


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(naming_convention=NAMING)


@dataclass
class AppState:
    """Objects that belong to one application; read it with `app_state`."""

    settings: Settings
    #: Makes another application of the same kind, for processes that need one of their own.
    make_app: MakeApp
    cipher: Cipher
    #: Error responses for API clients, by the beginning of the path.
    error_responses: dict[str, ErrorResponse] = field(default_factory=dict)
    _services: dict[type[Any], Any] = field(default_factory=dict)

    def add(self, service: object) -> None:
        """Add a service, found by its class from then on."""
        self._services[type(service)] = service

    def get(self, service: type[T]) -> T:
        """Return the service of this class; raises KeyError if the application has none."""
        found: T = self._services[service]
        return found

    def find(self, service: type[T]) -> T | None:
        """Return the service of this class, None if the application has none."""
        return self._services.get(service)


def init_state(app: Flask, settings: Settings, make_app: MakeApp) -> AppState:
    """Give the application its state and return it."""
    found = AppState(settings, make_app, Cipher(settings.read_encryption_keys))
    app.extensions["callevents"] = found
    return found


def app_state(app: Flask | None = None) -> AppState:
    """Return the state of the application, by default of the current one."""
    found: AppState = (app or current_app).extensions["callevents"]
    return found


class AppCipher:
    """Encrypts secrets with the keys of the application whose context it is used in."""

    @property
    def bound(self) -> Cipher:
        """The current application's cipher."""
        return app_state().cipher

    def encrypt(self, text: str) -> str:
        """Return the text encrypted."""
        # It is done seldom, and an old key may be dropped once a newer one is there.
        self.bound.reload()
        return self.bound.encrypt(text)


db = SQLAlchemy(model_class=Base)
cipher = AppCipher()
migrate = Migrate()
csrf = CSRFProtect()
login = LoginManager()

if TYPE_CHECKING:
    # Flask-SQLAlchemy makes its model class at run time, where no type checker can see it.
    Model = Base
else:
    Model = db.Model


def begin_write() -> None:
    """Start the session's transaction anew, as one that will write.

    On SQLite a transaction that has read cannot be sure to become a writer's: another writer may
    have been faster. So writers say so from the beginning and wait for their turn.
    """
    end_transaction()
    db.session.connection(execution_options=WRITES)


def end_transaction() -> None:
    """Undo what the session's transaction has done and end it, without failing.

    Where its connection is broken, the database has ended it already.
    """
    with contextlib.suppress(DBAPIError):
        db.session.rollback()


def close_session(_error: BaseException | None = None) -> None:
    """Close the session at the end of a context, which fails too where its connection is broken.

    An answer that is ready must not be lost for that. Flask-SQLAlchemy closes it once more.
    """
    with contextlib.suppress(DBAPIError):
        db.session.remove()


def insert_into(model: type[Base]) -> Any:
    """Return the database's own INSERT, which knows ON CONFLICT.

    Into the table and not the class: rows need nothing of the ORM, which would take as long again.
    """
    dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(model.__table__)


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a transaction that will write; commit it at the end."""
    with engine.connect() as connection:
        connection.execution_options(**WRITES)
        with connection.begin():
            yield connection


@contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """Give a connection for reading.

    On PostgreSQL each statement sees what is committed when it begins: without a transaction around
    them, two round trips are spared. On SQLite all see what was committed when the first one began.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


@event.listens_for(Pool, "checkin")
def _note_use(_connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED_AT] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _replace_dead(
    connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection
) -> None:
    """Have a connection replaced that has ended while nobody used it.

    SQLAlchemy's own pool_pre_ping asks every time, which on the hot path is a sixth of all round
    trips. No server ends and is there again within the time that is left out here.
    """
    used_at = entry.info.get(_USED_AT, math.inf)
    if not isinstance(connection, psycopg.Connection) or time.monotonic() < used_at + FRESH_SECONDS:
        return
    try:
        # With no transaction around it, which would be two more round trips.
        connection.autocommit = True
        connection.execute("SELECT 1")
        connection.autocommit = False
    except psycopg.Error as error:
        raise DisconnectionError(str(error)) from error


@event.listens_for(Engine, "connect")
def _set_up_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    # The driver's own transaction control begins too late and always deferred.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    options: dict[str, Any] = dict(connection.get_execution_options())
    writes = options.get("callevents_writes", False)
    if writes:
        _begin_to_write(connection)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    """Begin as soon as nobody else writes; raises OperationalError after the busy time-out.

    SQLite itself waits with pauses of up to 100 ms, and whoever writes often has its turn again in
    each of them: asking every half millisecond makes the turns even, and the waiting short.
    """
    give_up_at = time.monotonic() + SQLITE_BUSY_TIMEOUT_MS / 1000
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                # The low byte: another process that recovers the log is a reason of its own.
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > give_up_at:
                    # Once more by SQLAlchemy, whose errors others wait for.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    return
                time.sleep(SQLITE_TURN_SECONDS)
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
