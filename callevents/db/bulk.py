"""Statements of the hot path for many rows at once, with few steps for each row.

SQLAlchemy looks up columns and converters for every row. For a row of 25 columns that takes 40 us,
as long as the database takes to store it, and on SQLite no other writer can run meanwhile. Here
they are looked up once per statement.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Select,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

Row = Mapping[str, Any]
#: Names of columns with the functions that convert their values, None for none.
Converters = list[tuple[str, Any]]

#: SQLAlchemy reserves the columns' own names in an UPDATE.
_PREFIX = "row_"


class BulkStatement:
    """A statement for many rows, which all have the same keys: names of columns."""

    def __init__(self, table: Any, build: Callable[[str, Mapping[str, Any]], Any]) -> None:
        """`build(dialect, parameters)` returns the statement; `parameters`: by column."""
        self._table: Table = table
        self._build = build
        self._prepared: dict[str, tuple[str, Converters]] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Execute it for each of the rows; return the number of rows changed."""
        dialect = connection.dialect
        if dialect.name not in self._prepared:
            self._prepared[dialect.name] = self._prepare(dialect, list(rows[0]))
        text, converters = self._prepared[dialect.name]
        # Column by column: a function that converts a row takes twice as long.
        columns = [
            [row[name] for row in rows] if to is None else [to(row[name]) for row in rows]
            for name, to in converters
        ]
        parameters: Any = list(zip(*columns, strict=True))
        if dialect.name != "sqlite":
            names = [_PREFIX + name for name, _ in converters]
            parameters = [dict(zip(names, row, strict=True)) for row in parameters]
        return connection.exec_driver_sql(text, parameters).rowcount

    def _prepare(self, dialect: Dialect, names: list[str]) -> tuple[str, Converters]:
        types = {name: self._table.c[name].type for name in names}
        parameters = {name: bindparam(_PREFIX + name, type_=types[name]) for name in names}
        compiled = self._build(dialect.name, parameters).compile(dialect=dialect)
        if compiled.positional:
            names = [name.removeprefix(_PREFIX) for name in compiled.positiontup]
        processors = (types[name].dialect_impl(dialect).bind_processor(dialect) for name in names)
        return str(compiled), list(zip(names, processors, strict=True))


def bulk_insert(
    table: Any, finish: Callable[[Any], Any] = lambda statement: statement
) -> BulkStatement:
    """Return an INSERT; `finish` may add ON CONFLICT."""

    def build(dialect: str, parameters: Mapping[str, Any]) -> Any:
        insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
        return finish(insert(table).values(dict(parameters)))

    return BulkStatement(table, build)


def bulk_update(
    table: Any,
    *keys: str,
    condition: Any = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> BulkStatement:
    """Return an UPDATE of the rows with these keys for which `condition` is true.

    It sets the row's other columns, and `changes`, which are the same for all rows.
    """

    def build(_dialect: str, parameters: Mapping[str, Any]) -> Any:
        values = {name: value for name, value in parameters.items() if name not in keys}
        statement = update(table).values({**values, **changes})
        for name in keys:
            statement = statement.where(table.c[name] == parameters[name])
        return statement if condition is None else statement.where(condition)

    return BulkStatement(table, build)


def is_one_of(searched: Any, parameter: str) -> Any:
    """Return the condition that a column has one of the values of a list, a single parameter.

    The statement has the same text for any number of values, so databases need not plan it again.
    """
    return _IsOneOf(searched, bindparam(parameter, type_=_Values(searched.type)))


class _Values(TypeDecorator[Any]):
    """A list of values: an array, or JSON."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type in this database."""
        kind: Any = Text() if dialect.name == "sqlite" else ARRAY(self.item)
        return dialect.type_descriptor(kind)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return the function that converts a list."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)
        convert = self.item.dialect_impl(dialect).bind_processor(dialect)
        if convert is None:
            return json.dumps
        return lambda values: json.dumps([convert(value) for value in values])


class _IsOneOf(FunctionElement[Any]):
    # As a Boolean it would become `... = 1` on SQLite, for which no index is used.
    type = NullType()
    inherit_cache = True


@compiles(_IsOneOf, "sqlite")
def _compile_for_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    searched, values = (compiler.process(one, **options) for one in element.clauses)
    return f"{searched} IN (SELECT value FROM json_each({values}))"  # noqa: S608  # both are compiled


@compiles(_IsOneOf, "postgresql")
def _compile_for_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    searched, values = (compiler.process(one, **options) for one in element.clauses)
    return f"{searched} = ANY ({values})"


def is_found_once(column: Any, query: Select[Any]) -> ColumnElement[bool]:
    """Return the condition that the value is one of those that the query finds.

    It runs once, and its rows are looked up. With IN, PostgreSQL may join: read the whole table, or
    run the query again for each row.
    """
    return _IsFoundOnce(column, query.scalar_subquery())


class _IsFoundOnce(FunctionElement[Any]):
    type = NullType()
    inherit_cache = True


@compiles(_IsFoundOnce, "sqlite")
def _compile_found_for_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    searched, query = (compiler.process(one, **options) for one in element.clauses)
    return f"{searched} IN {query}"


@compiles(_IsFoundOnce, "postgresql")
def _compile_found_for_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    searched, query = (compiler.process(one, **options) for one in element.clauses)
    return f"{searched} = ANY (ARRAY{query})"
