"""Database sessions: write transactions and read connections."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from callevents.extensions import Base, db

#: Execution option of a write transaction.
WRITES = {"callevents_writes": True}


def begin_write() -> None:
    """End the session's transaction and begin a write transaction.

    On SQLite a transaction that has read may fail to become a writer if another one was faster. So
    write transactions lock at the beginning and wait for their turn.
    """
    end_transaction()
    db.session.connection(execution_options=WRITES)


def end_transaction() -> None:
    """Roll back the session's transaction; never fails.

    If the connection is broken, the database has ended the transaction already.
    """
    with contextlib.suppress(DBAPIError):
        db.session.rollback()


def close_session(_error: BaseException | None = None) -> None:
    """Close the session at the end of a context, even if its connection is broken.

    A response that is ready must not be lost for that. Flask-SQLAlchemy closes the session again.
    """
    with contextlib.suppress(DBAPIError):
        db.session.remove()


def insert_into(model: type[Base]) -> Any:
    """Return the dialect's INSERT, which supports ON CONFLICT.

    Into the table and not the class: the ORM would double the time, and rows need none of it.
    """
    dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(model.__table__)


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a write transaction; commit it at the end."""
    with engine.connect() as connection:
        connection.execution_options(**WRITES)
        with connection.begin():
            yield connection


@contextmanager
def read_connection(engine: Engine) -> Iterator[Connection]:
    """Yield a connection for reading.

    On PostgreSQL it uses autocommit, which saves two round trips: each statement sees what was
    committed before it began. On SQLite all see what was committed before the first one began.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection
