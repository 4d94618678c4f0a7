"""A database connection that breaks within a request, as when PostgreSQL is restarted."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, func, select, text

from callevents.db.models import Pbx
from callevents.db.session import begin_write, end_transaction, read_connection
from callevents.extensions import db
from tests.support.waiting import wait_until


def read() -> int:
    """Read something in the session's transaction."""
    return db.session.scalars(select(func.count()).select_from(Pbx)).one()


def break_connection() -> None:
    """Close the session's connection under it."""
    connection: Any = db.session.connection().connection
    connection.dbapi_connection.close()


def test_ending_a_transaction_on_a_broken_connection(app: Flask) -> None:
    """It does not fail, so that an error handler can respond; the session works again."""
    read()
    break_connection()
    end_transaction()
    assert read() == 0


def test_beginning_a_write_after_a_read_on_a_broken_connection(app: Flask) -> None:
    """The read transaction ends, and the write gets a new connection."""
    read()
    break_connection()
    begin_write()
    assert read() == 0
    db.session.rollback()


def test_leaving_a_context_with_a_broken_connection(app: Flask) -> None:
    """It raises nothing: a response that is ready would be lost."""
    with app.app_context():
        read()
        break_connection()
    assert read() == 0


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_a_connection_that_ended_while_idle_is_replaced(app: Flask) -> None:
    """The pool replaces it unnoticed, whatever ended it."""
    db.engine.dispose()
    with read_connection(db.engine) as connection:
        first = connection.scalar(text("SELECT pg_backend_pid()"))
    end_backend(first)
    with read_connection(db.engine) as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != first


def end_backend(pid: int | None) -> None:
    """End the server's process of a connection, and wait until it is gone."""
    engine = create_engine(db.engine.url)
    wait_until(lambda: not _end(engine, pid), "the end of the connection")
    engine.dispose()


def _end(engine: Engine, pid: int | None) -> bool:
    """Return True if it was still there to be ended."""
    statement = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = :pid"
    )
    with engine.connect() as connection:
        return bool(connection.scalar(statement, {"pid": pid}))
