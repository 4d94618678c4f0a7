"""SQL statements that accept events, each built once.

SQLAlchemy takes two to three times as long to build a statement and its cache key as to run it. The
statements run on the session's connection, without the ORM, which would take as long again.
Together that halves the cost of storing a single event.
"""

from typing import Any

from sqlalchemy import (
    BindParameter,
    CursorResult,
    bindparam,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from callevents.db.bulk import bulk_insert, is_one_of
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
from callevents.enums import EventType, HookScope
from callevents.extensions import db

#: The maximum number of earlier events that are read to enrich hangups.
MAX_HISTORY = 2000

_OF_PBX: BindParameter[int] = bindparam("pbx_id")

VALID_TOKENS = select(IngestToken.id).where(is_one_of(IngestToken.id, "token_ids"))
EXTENSIONS = select(Extension.number, Extension.id).where(
    Extension.pbx_id == _OF_PBX, is_one_of(Extension.number, "numbers")
)
EVENTS_OF_KEYS = select(CallEvent.key, CallEvent.id, CallEvent.received_at).where(
    CallEvent.pbx_id == _OF_PBX, is_one_of(CallEvent.key, "keys")
)
HISTORY = (
    select(
        *(getattr(CallEvent, name) for name in REPORTED),
        CallEvent.happened_at.label("at"),
        CallEvent.id,
    )
    .where(
        CallEvent.pbx_id == _OF_PBX,
        is_one_of(CallEvent.call_id, "call_ids"),
        CallEvent.received_at > bindparam("since"),
    )
    .order_by(CallEvent.id.desc())
    .limit(MAX_HISTORY)
)
#: The columns that a delivery copies from its hook.
_HOOK_COLUMNS = (
    "id",
    "event_id",
    "extension_id",
    "event_type",
    "method",
    "url",
    "origin_id",
    "give_up_seconds",
    "in_order",
    "suspended_at",
    "scope",
    "conditions",
    "once_id",
)
#: A literal and no parameter: databases use a partial index only then.
_IS_ONCE_PER_CALL = Hook.scope == literal_column(f"'{HookScope.CALL}'")


def _columns_of(hook: Any) -> list[Any]:
    return [getattr(hook, name) for name in _HOOK_COLUMNS]


_MARKER = aliased(Hook)
#: Active hooks that apply to events of these types and extensions. Also, if the PBX has any, one
#: that is sent once at the end of a call: it tells that the ends of calls have to be found.
HOOKS = union_all(
    select(*_columns_of(Hook), Origin.probe_at)
    .join(Origin, Hook.origin_id == Origin.id)
    .where(
        Hook.pbx_id == _OF_PBX,
        is_one_of(Hook.event_type, "event_types"),
        Hook.active,
        Hook.extension_id.is_(None) | is_one_of(Hook.extension_id, "extension_ids"),
    ),
    select(*_columns_of(_MARKER), null()).where(
        _MARKER.id
        == select(Hook.id)
        .where(
            Hook.pbx_id == _OF_PBX,
            Hook.event_type == EventType.HANGUP,
            Hook.active,
            _IS_ONCE_PER_CALL,
        )
        .limit(1)
        .scalar_subquery()
    ),
)


def run(statement: Any, parameters: Any) -> CursorResult[*tuple[Any, ...]]:
    """Run the statement in the session's transaction."""
    return db.session.connection().execute(statement, parameters)


def insert_events(rows: list[dict[str, Any]]) -> int:
    """Insert events whose keys do not exist; return the number of inserted rows."""
    return _INSERT_EVENTS.run(db.session.connection(), rows)


def insert_deliveries(rows: list[dict[str, Any]]) -> None:
    """Insert deliveries."""
    _INSERT_DELIVERIES.run(db.session.connection(), rows)


def upsert_seen_extensions(rows: list[dict[str, Any]]) -> None:
    """Insert or update numbers that are not extensions."""
    _UPSERT_SEEN.run(db.session.connection(), rows)


def _update_seen(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=["pbx_id", "number"],
        set_={name: insert.excluded[name] for name in ("last_seen_at", "dismissed")},
    )


_INSERT_EVENTS = bulk_insert(CallEvent.__table__, lambda insert: insert.on_conflict_do_nothing())
_INSERT_DELIVERIES = bulk_insert(Delivery.__table__)
_UPSERT_SEEN = bulk_insert(SeenExtension.__table__, _update_seen)
