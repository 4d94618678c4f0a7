"""SQLite: pragmas of each connection, and fair turns between writers."""

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

SQLITE_BUSY_TIMEOUT_MS = 10_000

#: Who waits to write asks again after this.
SQLITE_TURN_SECONDS = 0.0005


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
