"""What was sent once per call, in the database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sqlalchemy import ARRAY, BigInteger, and_, bindparam, delete, func, or_, select

from callevents.db.bulk import bulk_insert, is_one_of
from callevents.db.models import Delivery, OncePerCall
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.statements import run

#: States of deliveries that were made without being sent: the hook was suspended, or conditions
#: were not met.
UNSENT = (DeliveryState.FAILED, DeliveryState.SKIPPED)

#: Call ID and hook ID.
Key = tuple[str, int]

#: Nothing was sent of such a delivery yet, and no worker has it.
_IS_UNTOUCHED = and_(
    Delivery.attempts == 0,
    Delivery.claimed_at.is_(None),
    Delivery.resent_at.is_(None),
    or_(
        Delivery.state.in_([DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SKIPPED]),
        and_(Delivery.state == DeliveryState.FAILED, Delivery.error == SUSPENDED_ERROR),
    ),
)
_SENT = (
    select(
        OncePerCall.call_id,
        OncePerCall.hook_id,
        OncePerCall.delivery_id,
        Delivery.event_type,
        Delivery.state,
        _IS_UNTOUCHED.label("is_untouched"),
    )
    .outerjoin(Delivery, OncePerCall.delivery_id == Delivery.id)
    .where(
        OncePerCall.pbx_id == bindparam("pbx_id"),
        is_one_of(OncePerCall.call_id, "call_ids"),
        OncePerCall.created_at > bindparam("since"),
    )
)
# A worker that has locked one is about to send it, so it is not withdrawn.
_LOCK_UNTOUCHED = (
    select(Delivery.id)
    .where(is_one_of(Delivery.id, "ids"), _IS_UNTOUCHED)
    .order_by(Delivery.id)
    .with_for_update(skip_locked=True)
)
_DELETE = delete(Delivery).where(is_one_of(Delivery.id, "ids"))
_FORGET = delete(OncePerCall).where(
    OncePerCall.pbx_id == bindparam("of_pbx"),
    OncePerCall.call_id == bindparam("of_call"),
    OncePerCall.hook_id == bindparam("of_hook"),
)
_LOCKED_KEYS = (
    func.unnest(bindparam("keys", type_=ARRAY(BigInteger)))
    .table_valued("value", name="keys")
    .render_derived()
)
_LOCK_CALLS = select(func.pg_advisory_xact_lock(_LOCKED_KEYS.c.value))


def _replace(insert: Any) -> Any:
    # A row that exists is of an earlier call with the same ID, or was skipped.
    columns = ("delivery_id", "created_at")
    return insert.on_conflict_do_update(
        index_elements=["pbx_id", "call_id", "hook_id"],
        set_={name: insert.excluded[name] for name in columns},
    )


_INSERT = bulk_insert(OncePerCall.__table__, _replace)


@dataclass(frozen=True)
class Sent:
    """The delivery of a call to a hook that is sent once per call."""

    delivery_id: str
    #: Set if it was not sent, and another copy of the hook may replace it.
    unsent: DeliveryState | None = None
    is_end: bool = False
    #: It is held, or failed: its hook was disabled, removed or suspended.
    is_stopped: bool = False


def lock_calls(pbx_id: int, call_ids: Iterable[str]) -> None:
    """Let no other transaction decide about these calls until this one ends.

    Two processes that each store one of the last two hangups of a call would not see the other's.
    On SQLite, writers take turns anyway.
    """
    if db.engine.dialect.name == "postgresql":
        # In one order, so that no two transactions can deadlock.
        keys = sorted(_lock_key(pbx_id, call_id) for call_id in call_ids)
        run(_LOCK_CALLS, {"keys": keys})


def read_sent(pbx_id: int, call_ids: Collection[str], since: datetime) -> dict[Key, Sent]:
    """Return what was sent once for these calls since then."""
    rows = run(_SENT, {"pbx_id": pbx_id, "call_ids": list(call_ids), "since": since})
    return {
        (row.call_id, row.hook_id): Sent(
            row.delivery_id,
            unsent=row.state if row.is_untouched and row.state in UNSENT else None,
            is_end=row.event_type is EventType.HANGUP,
            is_stopped=row.state in (DeliveryState.HELD, DeliveryState.FAILED),
        )
        for row in rows
    }


def withdraw(sent: Mapping[Key, Sent]) -> set[Key]:
    """Remove those of these ends of calls that nobody has begun to send; return their keys."""
    ends = {one.delivery_id: key for key, one in sent.items() if one.is_end}
    return {ends[delivery_id] for delivery_id in remove_untouched(ends)}


def remove_untouched(ids: Collection[str]) -> Sequence[str]:
    """Remove those of these deliveries that nobody has begun to send; return their IDs."""
    if not ids:
        return ()
    removed = run(_LOCK_UNTOUCHED, {"ids": list(ids)}).scalars().all()
    if removed:
        run(_DELETE, {"ids": removed})
    return removed


def store(pbx_id: int, new: Mapping[Key, str], withdrawn: Iterable[Key], now: datetime) -> None:
    """Store the IDs of new deliveries, and forget those that were withdrawn without a new one."""
    gone = sorted(set(withdrawn) - new.keys())
    for call_id, hook_id in gone:
        run(_FORGET, {"of_pbx": pbx_id, "of_call": call_id, "of_hook": hook_id})
    if new:
        rows = [
            {
                "pbx_id": pbx_id,
                "call_id": call_id,
                "hook_id": hook_id,
                "delivery_id": delivery_id,
                "created_at": now,
            }
            for (call_id, hook_id), delivery_id in sorted(new.items())
        ]
        _INSERT.run(db.session.connection(), rows)


def _lock_key(pbx_id: int, call_id: str) -> int:
    digest = blake2b(f"call\0{pbx_id}\0{call_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
