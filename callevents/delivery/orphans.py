"""Decides on claimed deliveries that cannot be sent because their hook is not in use.

The hook may have changed since they were loaded, so it is locked and read again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, select, update

from callevents.db.models import Delivery, Hook, Pbx, Removal
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.delivery.claim import Fences
from callevents.delivery.hold import IS_WAITING
from callevents.delivery.outbox import release_ordering_keys
from callevents.enums import DeliveryState


class _Fate(Enum):
    """What becomes of the deliveries of a hook."""

    #: The hook is disabled, or its removal can still be undone.
    HOLD = DeliveryState.HELD
    #: The hook is suspended.
    FAIL = DeliveryState.FAILED
    #: The hook is gone.
    CANCEL = DeliveryState.CANCELLED
    #: The hook is in use again: they are due.
    RELEASE = DeliveryState.PENDING


def settle_orphans(connection: Connection, claimed: Fences, now: datetime) -> None:
    """Hold, fail, cancel or release these deliveries, unless another worker has claimed them since.

    `claimed`: fences by delivery id.
    """
    fates = _find_fates(connection, claimed)
    # All transactions lock deliveries in this order, so that no two can deadlock.
    rows = connection.execute(
        select(Delivery.id, Delivery.fence, Delivery.ordering_key, Delivery.hook_id)
        .where(Delivery.id.in_(claimed), IS_WAITING, Delivery.claimed_at.is_not(None))
        .order_by(Delivery.id)
        .with_for_update()
    )
    current = [row for row in rows if row.fence == claimed[row.id]]
    for fate in _Fate:
        ids = [row.id for row in current if fates.get(row.hook_id, _Fate.CANCEL) is fate]
        if ids:
            connection.execute(
                update(Delivery).where(Delivery.id.in_(ids)).values(_values(fate, now))
            )
    release_ordering_keys(connection, [row.ordering_key for row in current], now)


def _values(fate: _Fate, now: datetime) -> dict[str, Any]:
    """Return the new values of deliveries; the fence moves if they may be claimed again."""
    values: dict[str, Any] = {"state": fate.value, "claimed_at": None}
    if not fate.value.is_finished:
        return values | {"due_at": now, "fence": Delivery.fence + 1}
    return values | {
        "finished_at": now,
        "error": SUSPENDED_ERROR if fate is _Fate.FAIL else "",
    }


def _find_fates(connection: Connection, ids: Collection[str]) -> Mapping[int, _Fate]:
    """Return the fates by hook id, without hooks that are gone.

    Locks the PBXs, in which nobody removes hooks or undoes that then, and the hooks.
    """
    columns = (Delivery.pbx_id, Delivery.hook_id)
    rows = connection.execute(select(*columns).where(Delivery.id.in_(ids)).distinct()).all()
    pbx_ids = sorted({row.pbx_id for row in rows})
    _lock(connection, Pbx.id, pbx_ids)
    found = connection.scalars(select(Removal.rows).where(Removal.pbx_id.in_(pbx_ids)))
    removed = [row["id"] for removal in found for row in removal["hook"]]
    hooks = _lock(
        connection, Hook.id, [row.hook_id for row in rows], Hook.active, Hook.suspended_at
    )
    return dict.fromkeys(removed, _Fate.HOLD) | {hook.id: _find_fate(hook) for hook in hooks}


def _lock(
    connection: Connection, key: Any, ids: Sequence[int], *columns: Any
) -> Sequence[Row[Any]]:
    """Lock these rows against changes, in the order of their ids; return their columns."""
    return connection.execute(
        select(key, *columns).where(key.in_(ids)).order_by(key).with_for_update(read=True)
    ).all()


def _find_fate(hook: Row[Any]) -> _Fate:
    if not hook.active:
        return _Fate.HOLD
    return _Fate.RELEASE if hook.suspended_at is None else _Fate.FAIL
