"""Names what still has a number after erasing: settings, fresh removals, the history."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, or_, select

from callevents.db.models import AuditEntry, BulkChange, Extension, Hook, Pbx, Removal
from callevents.operations.number_search import Number, contains

#: Texts with digits that are no phone numbers: times and UUIDs.
_NO_NUMBER = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[0-9:.]*(?:Z|[+-]\d\d:\d\d)?"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
#: The texts of requests that people write.
_HOOK_TEXTS = (Hook.url, Hook.note, Hook.body_template, Hook.value_maps, Hook.conditions)


def find_kept(connection: Connection, number: Number, pbx_id: int | None) -> list[str]:
    """Return where the number stays: each place in words. With an ID, only what is of that PBX."""
    return [
        *_find_extensions(connection, number, pbx_id),
        *_find_hooks(connection, number, pbx_id),
        *_find_removals(connection, number, pbx_id),
        *_find_changes(connection, number, pbx_id),
        *_find_history(connection, number, pbx_id),
    ]


def _find_extensions(connection: Connection, number: Number, pbx_id: int | None) -> Iterator[str]:
    rows = connection.execute(
        select(Pbx.name, Extension.number)
        .join(Extension, Extension.pbx_id == Pbx.id)
        .where(contains(Extension.number, number) | contains(Extension.name, number))
        .where(*_is_of(Pbx.id, pbx_id))
        .order_by(Pbx.name, Extension.number)
    )
    return (f"extension {row.number} of {row.name}" for row in rows)


def _find_hooks(connection: Connection, number: Number, pbx_id: int | None) -> Iterator[str]:
    rows = connection.execute(
        select(Pbx.name, Hook.event_id)
        .join(Hook, Hook.pbx_id == Pbx.id)
        .where(or_(*(contains(column, number) for column in _HOOK_TEXTS)))
        .where(*_is_of(Pbx.id, pbx_id))
        .order_by(Pbx.name, Hook.event_id)
    )
    return (f"request {row.event_id} of {row.name}" for row in rows)


def _find_removals(connection: Connection, number: Number, pbx_id: int | None) -> Iterator[str]:
    rows = connection.execute(
        select(Pbx.name, Removal.rows)
        .join(Removal, Removal.pbx_id == Pbx.id)
        .where(_may_contain(Removal.rows, number), *_is_of(Pbx.id, pbx_id))
        .order_by(Pbx.name, Removal.id)
    )
    found = sum(_has(row.rows, number) for row in rows)
    if found:
        yield f"{found:,} removal{'' if found == 1 else 's'} that can still be undone for a minute"


def _find_changes(connection: Connection, number: Number, pbx_id: int | None) -> Iterator[str]:
    rows = connection.execute(
        select(BulkChange.places, BulkChange.content).where(
            _may_contain(BulkChange.content, number)
        )
    )
    found = sum(
        _has(row.content, number)
        for row in rows
        if pbx_id is None or pbx_id in {place[0] for place in row.places}
    )
    if found:
        noun = f"change{'' if found == 1 else 's'} of requests"
        yield f"{found:,} {noun} that can still be undone for half an hour"


def _find_history(connection: Connection, number: Number, pbx_id: int | None) -> Iterator[str]:
    columns = (AuditEntry.object_name, AuditEntry.before, AuditEntry.after)
    rows = connection.execute(
        select(*columns)
        .where(or_(*(_may_contain(column, number) for column in columns)))
        .where(*_is_of(AuditEntry.pbx_id, pbx_id))
    )
    found = sum(_has(list(row), number) for row in rows)
    if found:
        yield f"{found:,} entr{'y' if found == 1 else 'ies'} of the history"


def _is_of(column: Any, pbx_id: int | None) -> list[ColumnElement[bool]]:
    return [] if pbx_id is None else [column == pbx_id]


def _may_contain(column: Any, number: Number) -> ColumnElement[bool]:
    """Return the condition that a text or JSON column may have the number: _has() is exact."""
    text = cast(column, String)
    if number.digits:
        return contains(text, number)
    found: ColumnElement[bool] = text.contains(number.text, autoescape=True)
    return found


def _has(value: Any, number: Number) -> bool:
    """Return True if a text in the JSON value has the number."""
    if isinstance(value, dict):
        return any(_has(one, number) for one in value.values())
    if isinstance(value, list):
        return any(_has(one, number) for one in value)
    return isinstance(value, str) and number.is_in(_NO_NUMBER.sub("|", value))
