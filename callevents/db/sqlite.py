"""SQLite: private files, pragmas for each connection, and fairness between writers."""

import os
import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

#: The execution option `callevents_busy_timeout_ms` sets another one for write transactions.
SQLITE_BUSY_TIMEOUT_MS = 10_000

#: A writer that waits for the lock retries after this.
SQLITE_RETRY_SECONDS = 0.0005


@event.listens_for(Engine, "do_connect")
def _create_private_file(
    dialect: Dialect, _entry: ConnectionPoolEntry, arguments: list[Any], _options: dict[str, Any]
) -> None:
    """Create a missing database file for its owner only, whatever the umask.

    SQLite gives the files beside it (-wal, -shm) the same mode.
    """
    if dialect.name != "sqlite" or arguments[:1] in ([""], [":memory:"]):
        return
    try:
        descriptor = os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError:
        # It exists, or SQLite will say why it cannot be created.
        return
    os.fchmod(descriptor, 0o600)
    os.close(descriptor)


@event.listens_for(Engine, "connect")
def _set_up_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    # The driver's transaction control begins too late and always DEFERRED.
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
        timeout_ms = options.get("callevents_busy_timeout_ms", SQLITE_BUSY_TIMEOUT_MS)
        _begin_immediate(connection, timeout_ms)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection, timeout_ms: int) -> None:
    """Begin a write transaction; raises OperationalError after the timeout.

    SQLite's busy handler sleeps up to 100 ms, and a process that writes often gets the lock again
    in each of these pauses. Retrying every half millisecond is fair and keeps the wait short.
    """
    give_up_at = time.monotonic() + timeout_ms / 1000
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                # The low byte: SQLITE_BUSY_RECOVERY has an extended code.
                is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > give_up_at:
                    # Once more through SQLAlchemy, so that the error has its type.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    return
                time.sleep(SQLITE_RETRY_SECONDS)
            else:
                return
    finally:
        driver.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
