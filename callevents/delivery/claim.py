"""Claims due deliveries under a lease, so that only one worker at a time has each of them."""

import math
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, select, update

from callevents.db.models import IS_OPEN, Delivery
from callevents.delivery.circuit_breaker import acquire_probe
from callevents.delivery.fair_share import Share
from callevents.delivery.outbox import defer, find_heads
from callevents.delivery.request.build import Request


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker has until its lease ends, and the request to send."""

    delivery_id: str
    fence: int
    origin_id: int
    hook_id: int
    expires_at: datetime
    request: Request
    #: On the monotonic clock: the lease has ended by then, so no attempt may begin later.
    send_before: float = math.inf
    #: True if the origin's circuit breaker is open, and this attempt decides whether it closes.
    is_probe: bool = False


@dataclass(frozen=True)
class ClaimResult:
    """Fences of the claimed deliveries by id, and the number of due deliveries examined.

    `probed`: ids of the origins for which this worker has acquired the probe.
    """

    fences: dict[str, int]
    examined: int
    probed: Set[int] = frozenset()


def claim_due(
    connection: Connection, shares: Iterable[Share], now: datetime, lease: timedelta
) -> ClaimResult:
    """Claim due deliveries of each share, longest due first; defer those that must wait."""
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
    probed, refused = _acquire_probes(connection, shares, {origins[i] for i in ids}, now + lease)
    ids = [delivery_id for delivery_id in ids if origins[delivery_id] not in refused]
    return ClaimResult(_claim_ids(connection, ids, now, lease), len(candidates), probed)


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


def _find_candidates(connection: Connection, share: Share, now: datetime) -> Iterable[Row[Any]]:
    """Return due deliveries of the share, locked; skip those that another worker has locked."""
    return connection.execute(
        _CANDIDATES,
        {
            "is_retry": share.ready.is_retry,
            "origin_id": share.ready.origin_id,
            "now": now,
            "limit": share.limit + share.ahead,
        },
    )


def _acquire_probes(
    connection: Connection, shares: Iterable[Share], claimable: Set[int], until: datetime
) -> tuple[Set[int], Set[int]]:
    """Return the origins that this worker probes now, and those that another worker probes."""
    open_ones = {
        share.ready.origin_id: share.probe_at for share in shares if share.probe_at is not None
    }
    wanted = sorted(open_ones.keys() & claimable)
    probed = {one for one in wanted if acquire_probe(connection, one, open_ones[one], until)}
    return probed, set(wanted) - probed


def _claim_ids(
    connection: Connection, ids: Collection[str], now: datetime, lease: timedelta
) -> dict[str, int]:
    if not ids:
        return {}
    claimed = connection.execute(_CLAIM, {"ids": list(ids), "now": now, "lease_ends": now + lease})
    return {row.id: row.fence for row in claimed.all()}


def release_claims(connection: Connection, claims: Iterable[Claim], now: datetime) -> None:
    """Make claimed deliveries due again, unless another worker has claimed them since."""
    for claim in sorted(claims, key=lambda claim: claim.delivery_id):
        connection.execute(
            update(Delivery)
            .where(Delivery.id == claim.delivery_id, Delivery.fence == claim.fence, IS_OPEN)
            .values(due_at=now, claimed_at=None)
        )


def renew_leases(
    connection: Connection, claims: Collection[Claim], now: datetime, lease: timedelta
) -> None:
    """Extend the leases of deliveries, unless another worker has claimed them since."""
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
