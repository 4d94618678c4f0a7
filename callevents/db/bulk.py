"""Statements of the hot path that are run for many rows at once, on the driver's cursor.

SQLAlchemy collects and converts the parameters of every row anew, in a way that suits any
statement: for a row of 25 columns that takes 40 us, as long as the database takes to store it, and
on SQLite nobody else can write meanwhile. Here the columns and their converters are looked up once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect

Row = Mapping[str, Any]


class ForRows:
    """An INSERT or UPDATE to be run for rows, which all have the same names."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, Callable[[Row], Any]]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Run it for each of the rows; return how many the database says it has changed."""
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = self._compile(dialect, rows[0])
        text, convert = self._compiled[dialect.name]
        return connection.exec_driver_sql(text, [convert(row) for row in rows]).rowcount

    def _compile(self, dialect: Dialect, row: Row) -> tuple[str, Callable[[Row], Any]]:
        """Return the statement's text, and what makes the driver's parameters of a row."""
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
