"""Rows as JSON, to keep them in a column of another table, and back."""

from datetime import datetime
from typing import Any

from sqlalchemy import Enum

from callevents.db.types import IntEnumColumn, UtcDateTime
from callevents.enums import EventType
from callevents.extensions import Base


def to_json(row: Base) -> dict[str, Any]:
    """Return the row's values by column, as JSON has them."""
    names = (column.key for column in row.__table__.columns)
    return {name: value_to_json(getattr(row, name)) for name in names}


def value_to_json(value: Any) -> Any:
    """Return a column's value as JSON has it."""
    return value.isoformat() if isinstance(value, datetime) else value


def from_json(model: type[Base], row: dict[str, Any]) -> dict[str, Any]:
    """Return the values of `to_json` as the columns take them; columns may be missing."""
    return {
        name: None if row[name] is None else _read_value(column.type, row[name])
        for name, column in model.__table__.columns.items()
        if name in row
    }


def _read_value(column_type: Any, value: Any) -> Any:
    if isinstance(column_type, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(column_type, IntEnumColumn):
        return EventType(value)
    if isinstance(column_type, Enum):
        kind: Any = column_type.enum_class
        return kind(value)
    return value
