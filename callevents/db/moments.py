"""Arithmetic with moments in SQL."""

from typing import Any

from sqlalchemy import ColumnElement, Text, func

from callevents.extensions import db


def later(column: Any, seconds: int) -> ColumnElement[Any]:
    """Return the SQL expression of a timestamp column plus seconds, in the database's dialect."""
    if db.engine.dialect.name == "postgresql":
        return column + func.make_interval(0, 0, 0, 0, 0, 0, seconds)  # type: ignore[no-any-return]
    # SQLite stores timestamps as text, with six digits after the second.
    return func.strftime("%Y-%m-%d %H:%M:%f000", column, f"{seconds:+d} seconds", type_=Text)
