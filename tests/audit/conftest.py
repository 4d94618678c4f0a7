"""Fixtures of the history's tests: users of the pages, and commands."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from callevents.db.models import AuditEntry
from callevents.extensions import db
from tests.cli.conftest import answer, run
from tests.web.conftest import admin, people, stranger, viewer

__all__ = ["admin", "answer", "people", "run", "stranger", "viewer"]


def entries(**wanted: Any) -> Sequence[AuditEntry]:
    """Return the entries with these values, oldest first."""
    db.session.rollback()
    query = select(AuditEntry).filter_by(**wanted).order_by(AuditEntry.id)
    return db.session.scalars(query).all()


def actions(**wanted: Any) -> list[str]:
    """Return the actions of the entries with these values, oldest first."""
    return [entry.action for entry in entries(**wanted)]
