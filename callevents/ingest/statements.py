"""SQL statements that accept events, each built once.

SQLAlchemy takes two to three times as long to build a statement and its cache key as to run it. The
statements run on the session's connection, without the ORM, which would take as long again.
Together that halves the cost of storing a single event.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, CursorResult, bindparam, select

from callevents.db.bulk import ForRows
from callevents.db.models import (
    CallEvent,
    Delivery,
    Extension,
    Hook,
    IngestToken,
    Origin,
    SeenExtension,
)
from callevents.db.models.event import REPORTED
from callevents.db.session import insert_into
from callevents.extensions import db

#: The maximum number of earlier events that are read to enrich hangups.
MAX_HISTORY = 2000

_OF_PBX: BindParameter[int] = bindparam("pbx_id")

VALID_TOKENS = select(IngestToken.id).where(
    IngestToken.id.in_(bindparam("token_ids", expanding=True))
)
EXTENSIONS = select(Extension.number, Extension.id).where(
    Extension.pbx_id == _OF_PBX, Extension.number.in_(bindparam("numbers", expanding=True))
)
EVENTS_OF_KEYS = select(CallEvent.key, CallEvent.id, CallEvent.received_at).where(
    CallEvent.pbx_id == _OF_PBX, CallEvent.key.in_(bindparam("keys", expanding=True))
)
HISTORY = (
    select(*(getattr(CallEvent, name) for name in REPORTED))
    .where(
        CallEvent.pbx_id == _OF_PBX,
        CallEvent.call_id.in_(bindparam("call_ids", expanding=True)),
        CallEvent.received_at > bindparam("since"),
    )
    .order_by(CallEvent.id.desc())
    .limit(MAX_HISTORY)
)
#: The columns that a delivery copies from its hook, for all hooks that apply.
HOOKS = (
    select(
        Hook.id,
        Hook.event_id,
        Hook.extension_id,
        Hook.event_type,
        Hook.method,
        Hook.url,
        Hook.origin_id,
        Hook.give_up_seconds,
        Hook.in_order,
        Hook.suspended_at,
        Origin.probe_at,
    )
    .join(Origin, Hook.origin_id == Origin.id)
    .where(
        Hook.pbx_id == _OF_PBX,
        Hook.event_type.in_(bindparam("event_types", expanding=True)),
        Hook.active,
        Hook.extension_id.is_(None)
        | Hook.extension_id.in_(bindparam("extension_ids", expanding=True)),
    )
    .order_by(Hook.id)
)


def run(statement: Any, parameters: Any) -> CursorResult[*tuple[Any, ...]]:
    """Run the statement in the session's transaction."""
    return db.session.connection().execute(statement, parameters)


def insert_events(rows: list[dict[str, Any]]) -> int:
    """Insert events whose keys do not exist; return the number of inserted rows."""
    return _run_bulk(_event_insert, rows)


def insert_deliveries(rows: list[dict[str, Any]]) -> None:
    """Insert deliveries."""
    _run_bulk(_delivery_insert, rows)


def upsert_seen_extensions(rows: list[dict[str, Any]]) -> None:
    """Insert or update numbers that are not extensions."""
    _run_bulk(_seen_upsert, rows)


def _run_bulk(build: Callable[[str], ForRows], rows: list[dict[str, Any]]) -> int:
    connection = db.session.connection()
    return build(connection.dialect.name).run(connection, rows)


@cache
def _event_insert(_dialect: str) -> ForRows:
    return ForRows(insert_into(CallEvent).on_conflict_do_nothing())


@cache
def _delivery_insert(_dialect: str) -> ForRows:
    return ForRows(insert_into(Delivery))


@cache
def _seen_upsert(_dialect: str) -> ForRows:
    statement = insert_into(SeenExtension)
    return ForRows(
        statement.on_conflict_do_update(
            index_elements=["pbx_id", "number"],
            set_={name: statement.excluded[name] for name in ("last_seen_at", "dismissed")},
        )
    )
