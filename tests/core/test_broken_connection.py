"""A database connection that breaks within a request, as when PostgreSQL is restarted."""

from typing import Any

from flask import Flask
from sqlalchemy import func, select

from callevents.extensions import begin_write, db, end_transaction
from callevents.models import Pbx


def read() -> int:
    """Read something in the session's transaction."""
    return db.session.scalars(select(func.count()).select_from(Pbx)).one()


def break_connection() -> None:
    """Close the session's connection under it."""
    connection: Any = db.session.connection().connection
    connection.dbapi_connection.close()


def test_ending_a_transaction_on_a_broken_connection(app: Flask) -> None:
    """It fails nobody, so that an error handler can answer; the session works again."""
    read()
    break_connection()
    end_transaction()
    assert read() == 0


def test_beginning_a_write_after_a_read_on_a_broken_connection(app: Flask) -> None:
    """What has been read is ended, and the write gets a new connection."""
    read()
    break_connection()
    begin_write()
    assert read() == 0
    db.session.rollback()


def test_leaving_a_context_with_a_broken_connection(app: Flask) -> None:
    """It raises nothing: an answer that is ready would be lost."""
    with app.app_context():
        read()
        break_connection()
    assert read() == 0
