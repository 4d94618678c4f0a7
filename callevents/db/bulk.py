"""Bulk statements of the hot path, run on the driver's cursor.

SQLAlchemy looks up columns and converters for every row. For a row of 25 columns that takes 40 us,
as long as the database takes to store it, and on SQLite no other writer can run meanwhile. Here
they are looked up once per statement.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect

Row = Mapping[str, Any]


class ForRows:
    """An INSERT or UPDATE for many rows, which all have the same keys."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Callable[[Row], Any]]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Execute it for each of the rows; return the number of rows changed."""
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect, rows[0])
        text, convert = self._compiled[dialect.name]
        return connection.exec_driver_sql(text, [convert(row) for row in rows]).rowcount

    def _compile(self, dialect: Dialect, row: Row) -> tuple[str, Callable[[Row], Any]]:
        """Return the statement's text, and the function that converts a row to parameters."""
        columns = list(row) if self._statement.is_insert else None
        compiled = self._statement.compile(dialect=dialect, column_keys=columns)
        names = compiled.positiontup if compiled.positional else list(compiled.binds)
        converters = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in names
        ]

        def in_order(row: Row) -> tuple[Any, ...]:
            return tuple([row[name] if to is None else to(row[name]) for name, to in converters])

        def by_name(row: Row) -> dict[str, Any]:
            return {name: row[name] if to is None else to(row[name]) for name, to in converters}

        return str(compiled), in_order if compiled.positional else by_name
