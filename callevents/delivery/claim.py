"""Claims due deliveries under a lease, so that each is with one worker at a time."""

import math
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Integer, Row, bindparam, select, update

from callevents.db.models import IS_OPEN, CallEvent, Delivery, Hook, Pbx
from callevents.db.models.event import REPORTED
from callevents.delivery.circuit_breaker import take_probe
from callevents.delivery.fair_share import Share
from callevents.delivery.outbox import defer, find_heads, release_ordering_keys
from callevents.delivery.request.build import Request
from callevents.delivery.request.load import REQUEST_COLUMNS, make_request
from callevents.enums import DeliveryState
from callevents.security.encryption import Cipher

#: The columns of an event that requests tell of.
_EVENT_COLUMNS = [getattr(CallEvent, name) for name in (*REPORTED, "happened_at")]


log = structlog.get_logger("callevents.delivery")


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker owns until its lease ends, and the request to make."""

    delivery_id: str
    fence: int
    origin_id: int
    hook_id: int
    expires_at: datetime
    request: Request
    #: On the monotonic clock: an attempt that has not begun by then is not this worker's any more.
    send_before: float = math.inf
    #: Whether the origin's circuit breaker is open, so that the answer decides on it.
    is_probe: bool = False


@dataclass(frozen=True)
class Claimed:
    """What came of looking: fences by delivery id, and how many deliveries were looked at.

    `probed`: the ids of those origins whose one delivery is a probe.
    """

    fences: dict[str, int]
    looked_at: int
    probed: Set[int] = frozenset()


def claim_due(
    connection: Connection, shares: Iterable[Share], now: datetime, lease: timedelta
) -> Claimed:
    """Claim due deliveries of each share, longest due first; defer those whose turn it is not."""
    candidates: list[Row[Any]] = []
    for share in shares:
        candidates += _find_candidates(connection, share, now)
    heads = find_heads(
        connection, {row.ordering_key for row in candidates if row.ordering_key is not None}
    )
    ids = []
    for row in candidates:
        head = heads.get(row.ordering_key)
        if head is None or head.id == row.id:
            ids.append(row.id)
        else:
            defer(connection, row.id, head, now)
    origins = {row.id: row.origin_id for row in candidates}
    probed, refused = _take_probes(connection, shares, {origins[i] for i in ids}, now + lease)
    ids = [delivery_id for delivery_id in ids if origins[delivery_id] not in refused]
    return Claimed(_claim_ids(connection, ids, now, lease), len(candidates), probed)


# The hot path's statements are built once: building them anew took more time than all else.
_CANDIDATES = (
    select(Delivery.id, Delivery.ordering_key, Delivery.origin_id)
    .where(
        IS_OPEN,
        Delivery.is_retry == bindparam("is_retry"),
        Delivery.origin_id == bindparam("origin_id"),
        Delivery.due_at <= bindparam("now"),
    )
    .order_by(Delivery.due_at, Delivery.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(Delivery)
    .where(Delivery.id.in_(bindparam("ids", expanding=True)))
    .values(
        due_at=bindparam("lease_ends"),
        claimed_at=bindparam("now"),
        fence=Delivery.fence + 1,
        deferred=False,
    )
    .returning(Delivery.id, Delivery.fence)
)
_LOAD = (
    select(
        Delivery.id.label("delivery_id"),
        Delivery.origin_id,
        Delivery.hook_id,
        Delivery.expires_at,
        Pbx.slug,
        *REQUEST_COLUMNS,
        *_EVENT_COLUMNS,
    )
    .join(CallEvent, Delivery.call_event_id == CallEvent.id)
    .join(Hook, Delivery.hook_id == Hook.id)
    .join(Pbx, Delivery.pbx_id == Pbx.id)
    .where(
        Delivery.id.in_(bindparam("ids", expanding=True)),
        IS_OPEN,
        Hook.active,
        Hook.suspended_at.is_(None),
    )
    .order_by(Delivery.id)
)


def _find_candidates(connection: Connection, share: Share, now: datetime) -> Iterable[Row[Any]]:
    """Return due deliveries of the share, locked; what another worker has locked is passed over."""
    return connection.execute(
        _CANDIDATES,
        {
            "is_retry": share.ready.is_retry,
            "origin_id": share.ready.origin_id,
            "now": now,
            "limit": share.limit + share.ahead,
        },
    )


def _take_probes(
    connection: Connection, shares: Iterable[Share], claimable: Set[int], until: datetime
) -> tuple[Set[int], Set[int]]:
    """Return the origins that this worker probes now, and those that another one probes already."""
    open_ones = {
        share.ready.origin_id: share.probe_at for share in shares if share.probe_at is not None
    }
    wanted = sorted(open_ones.keys() & claimable)
    probed = {one for one in wanted if take_probe(connection, one, open_ones[one], until)}
    return probed, set(wanted) - probed


def _claim_ids(
    connection: Connection, ids: Collection[str], now: datetime, lease: timedelta
) -> dict[str, int]:
    if not ids:
        return {}
    claimed = connection.execute(_CLAIM, {"ids": list(ids), "now": now, "lease_ends": now + lease})
    return {row.id: row.fence for row in claimed.all()}


def load_claims(
    connection: Connection, claimed: Mapping[str, int], send_before: float, cipher: Cipher
) -> tuple[list[Claim], set[str]]:
    """Return what the claimed deliveries are to send, in the order of their events.

    Read after the claim is committed: what has been cancelled or disabled since is left out. The
    second value has the ids of those that were found but cannot be made into a request.
    """
    claims: list[Claim] = []
    unreadable: set[str] = set()
    for row in connection.execute(_LOAD, {"ids": list(claimed)}).all():
        try:
            claims.append(_claim(row, claimed[row.delivery_id], send_before, cipher))
        except Exception as error:  # one bad row must not stop the others
            log.error("a delivery cannot be sent", delivery=row.delivery_id, exc_info=error)
            unreadable.add(row.delivery_id)
    return claims, unreadable


def finish_unsent(
    connection: Connection,
    claimed: Mapping[str, int],
    state: DeliveryState,
    now: datetime,
    error: str = "",
) -> None:
    """End claimed deliveries without an attempt, as long as they are still this worker's."""
    # Locked in the order that all others use too, so that no two can deadlock.
    rows = connection.execute(
        select(Delivery.id, Delivery.fence, Delivery.ordering_key)
        .where(Delivery.id.in_(claimed), IS_OPEN)
        .order_by(Delivery.id)
        .with_for_update()
    )
    own = {row.id: row.ordering_key for row in rows if row.fence == claimed[row.id]}
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_(own))
        .values(state=state, finished_at=now, claimed_at=None, error=error)
    )
    release_ordering_keys(connection, own.values(), now)


def return_claims(connection: Connection, claims: Iterable[Claim], now: datetime) -> None:
    """Make due again what this worker has claimed, as long as it is still its own."""
    for claim in sorted(claims, key=lambda claim: claim.delivery_id):
        connection.execute(
            update(Delivery)
            .where(Delivery.id == claim.delivery_id, Delivery.fence == claim.fence, IS_OPEN)
            .values(due_at=now, claimed_at=None)
        )


def find_suspended(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return the ids of those deliveries whose hook is suspended."""
    found = connection.scalars(
        select(Delivery.id)
        .join(Hook, Delivery.hook_id == Hook.id)
        .where(Delivery.id.in_(ids), Hook.suspended_at.is_not(None))
    )
    return set(found)


def renew_leases(
    connection: Connection, claims: Collection[Claim], now: datetime, lease: timedelta
) -> None:
    """Prolong the leases of deliveries that this worker still has."""
    for claim in sorted(claims, key=lambda claim: claim.delivery_id):
        connection.execute(
            update(Delivery)
            .where(
                Delivery.id == claim.delivery_id,
                Delivery.fence == claim.fence,
                IS_OPEN,
            )
            .values(due_at=now + lease)
        )


def _claim(row: Row[*tuple[Any, ...]], fence: int, send_before: float, cipher: Cipher) -> Claim:
    return Claim(
        row.delivery_id,
        fence,
        row.origin_id,
        row.hook_id,
        row.expires_at,
        make_request(row, cipher),
        send_before,
    )
