"""Updates the open and held deliveries of a hook when the hook changes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, case, select, update

from callevents.db.models import Delivery, Hook, find_ordering_key, utc_now
from callevents.db.moments import later
from callevents.delivery.hold import is_waiting_of
from callevents.delivery.outbox import is_open_of, release_ordering_keys
from callevents.extensions import db

_table = Delivery.__table__
_SET_ORDERING_KEY = (
    update(_table)  # type: ignore[arg-type]  # a declared class's table is a Table
    .where(_table.c.id == bindparam("delivery_id"))
    .values(ordering_key=bindparam("new_ordering_key"))
)


def update_target(hook: Hook) -> None:
    """Set method, URL and origin of the hook's waiting deliveries to those of the hook."""
    _update(hook, method=hook.method, url=hook.url, origin_id=hook.origin_id)


def shift_expiry(hook: Hook, seconds: int) -> None:
    """Move the expiry of the hook's waiting deliveries by seconds, which may be negative."""
    _update(hook, expires_at=later(Delivery.expires_at, seconds))


def retry_now(hook_ids: Sequence[int]) -> None:
    """Let the open deliveries of these hooks that wait for a further attempt be attempted now."""
    db.session.execute(
        update(Delivery)
        .where(is_open_of(hook_ids), Delivery.is_retry, Delivery.claimed_at.is_(None))
        .values(due_at=utc_now(), deferred=False)
        .execution_options(synchronize_session=False)
    )


def update_ordering_keys(hook: Hook) -> None:
    """Recompute the ordering keys of the hook's waiting deliveries."""
    connection = db.session.connection()
    columns = (Delivery.id, Delivery.pbx_id, Delivery.call_id, Delivery.ordering_key)
    rows = connection.execute(
        select(*columns).where(is_waiting_of([hook.id])).order_by(Delivery.id)
    ).all()
    ordering_keys = [
        {
            "delivery_id": row.id,
            "new_ordering_key": find_ordering_key(
                row.pbx_id, row.call_id, hook.origin_id, in_order=hook.in_order
            ),
        }
        for row in rows
    ]
    if ordering_keys:
        connection.execute(_SET_ORDERING_KEY, ordering_keys)
    # They may no longer have to wait; workers decide when they claim them.
    due_at = case((Delivery.deferred, utc_now()), else_=Delivery.due_at)
    _update(hook, due_at=due_at, deferred=False)
    release_ordering_keys(connection, [row.ordering_key for row in rows], utc_now())


def _update(hook: Hook, **values: Any) -> None:
    db.session.execute(
        update(Delivery)
        .where(is_waiting_of([hook.id]))
        .values(values)
        .execution_options(synchronize_session=False)
    )
