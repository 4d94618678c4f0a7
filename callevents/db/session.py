"""Database sessions: transactions that write, connections that read."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from callevents.extensions import Base, db

#: Execution option of a transaction that will write.
WRITES = {"callevents_writes": True}


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
