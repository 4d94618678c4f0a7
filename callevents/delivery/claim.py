"""Claims due deliveries under a lease, so that only one worker at a time has each of them."""

import math
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    and_,
    bindparam,
    literal_column,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import OperationalError

from callevents.db.bulk import BulkStatement, bulk_update, is_one_of
from callevents.db.models import IS_HELD, IS_OPEN, Delivery, OpenIndex, is_open_by
from callevents.db.session import write_transaction
from callevents.delivery.circuit_breaker import acquire_probe
from callevents.delivery.fair_share import Share
from callevents.delivery.lease import UNLIMITED, Lease
from callevents.delivery.outbox import (
    DEFER_BEHIND_RUNNING,
    defer,
    find_deferred_heads,
    find_heads,
    in_batches,
    is_lock_timeout,
    lock_heads,
)
from callevents.delivery.request.build import Request

#: Fences of claimed deliveries by delivery ID.
Fences = Mapping[str, int]


@dataclass(frozen=True)
class OfReceiver:
    """What a claim has if its request belongs to a receiver."""

    id: int
    pbx_id: int
    call_id: str
    #: The access token in the request, as it is stored; empty: it has none.
    token: str = field(default="", repr=False)
    #: True if it cannot be sent before the receiver has an access token.
    lacks_token: bool = False
    max_per_second: float | None = None


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker has until its lease ends, and the request to send."""

    delivery_id: str
    fence: int
    origin_id: int
    hook_id: int
    expires_at: datetime
    request: Request
    lease: Lease = UNLIMITED
    #: An attempt that begins later has to read first whether it may, on the monotonic clock.
    fresh_until: float = math.inf
    #: True if the origin's circuit breaker was open when the request was loaded.
    is_breaker_open: bool = False
    #: The delivery's ordering key if another open delivery had to be sent before it then.
    behind: int | None = None
    #: True if the origin's circuit breaker is open, and this attempt decides whether it closes.
    is_probe: bool = False
    receiver: OfReceiver | None = None

    @property
    def lacks_token(self) -> bool:
        """True if it cannot be sent before its receiver has an access token."""
        return self.receiver is not None and self.receiver.lacks_token

    @property
    def key(self) -> tuple[str, int]:
        """What distinguishes it from other claims of the delivery."""
        return self.delivery_id, self.fence

    @property
    def send_before(self) -> float:
        """When the lease has ended, on the monotonic clock."""
        return self.lease.send_before


def fences_of(claims: Iterable[Claim]) -> dict[str, int]:
    """Return the fences of the claims."""
    return {claim.delivery_id: claim.fence for claim in claims}


@dataclass(frozen=True)
class ClaimResult:
    """Fences of the claimed deliveries by id, and the number of due deliveries examined.

    `probed`: ids of the origins for which this worker has acquired the probe. `deferred`: ordering
    keys of the deliveries that were deferred.
    """

    fences: dict[str, int]
    examined: int
    probed: Set[int] = frozenset()
    deferred: Set[int] = frozenset()


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
    deferred = set()
    for row in candidates:
        head = heads.get(row.ordering_key)
        if head is None or head.id == row.id:
            ids.append(row.id)
        else:
            defer(connection, row.id, head, now)
            deferred.add(row.ordering_key)
    origins = {row.id: row.origin_id for row in candidates}
    probed, refused = _acquire_probes(connection, shares, {origins[i] for i in ids}, now + lease)
    ids = [delivery_id for delivery_id in ids if origins[delivery_id] not in refused]
    fences = claim_ids(connection, ids, now, lease)
    return ClaimResult(fences, len(candidates), probed, deferred)


_CANDIDATES = (
    select(Delivery.id, Delivery.ordering_key, Delivery.origin_id)
    .where(
        is_open_by(OpenIndex.DUE_AT),
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
    .where(is_one_of(Delivery.id, "ids"))
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


def claim_ids(
    connection: Connection, ids: Collection[str], now: datetime, lease: timedelta
) -> dict[str, int]:
    """Claim deliveries that the transaction has locked; return their fences."""
    if not ids:
        return {}
    claimed = connection.execute(_CLAIM, {"ids": list(ids), "now": now, "lease_ends": now + lease})
    return {row.id: row.fence for row in claimed.all()}


def claim_next(
    connection: Connection, ordering_keys: Iterable[int | None], now: datetime, lease: timedelta
) -> dict[str, int]:
    """Claim the deferred deliveries that are now the first of these keys; return their fences.

    Called by whoever finishes deliveries, in the same transaction.
    """
    fences: dict[str, int] = {}
    for keys in in_batches(ordering_keys):
        fences |= claim_ids(connection, find_deferred_heads(connection, keys), now, lease)
    return fences


def claim_passed_over(
    database: SqlEngine, ordering_keys: Iterable[int], now: datetime, lease: timedelta
) -> dict[str, int]:
    """Do the same after deliveries of these keys were deferred, and that was committed.

    On PostgreSQL the delivery before them may have been finished at the same moment, by somebody
    who did not see them yet. This waits for the locks of the first deliveries, so that whoever
    holds one either sees them or is seen. It does not wait for a worker that froze: what is
    deferred is due again after a second.
    """
    fences: dict[str, int] = {}
    # One writer at a time: on SQLite nobody is passed over.
    waiting = set() if database.dialect.name == "sqlite" else set(ordering_keys)
    # A first one that was finished while we waited is not returned: then look again, once.
    for _ in range(2):
        if not waiting:
            break
        try:
            with write_transaction(database) as connection:
                heads = lock_heads(connection, waiting)
                ids = [head.id for head in heads if head.deferred]
                fences |= claim_ids(connection, ids, now, lease)
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
            break
        waiting -= {head.ordering_key for head in heads}
    return fences


def defer_claims(connection: Connection, fences: Fences, now: datetime) -> None:
    """Defer claimed deliveries behind others, unless another worker has claimed them since."""
    _update_claims(connection, _DEFER, fences, now + DEFER_BEHIND_RUNNING)


def release_claims(connection: Connection, fences: Fences, now: datetime) -> None:
    """Make claimed deliveries due again, unless another worker has claimed them since.

    It moves the fence, so that whoever still has the claim cannot use it.
    """
    _update_claims(connection, _RELEASE, fences, now)


def renew_leases(
    connection: Connection, claims: Collection[Claim], now: datetime, lease: timedelta
) -> None:
    """Extend the leases of deliveries, unless another worker has claimed them since."""
    _update_claims(connection, _RENEW, fences_of(claims), now + lease)


_table: Any = Delivery.__table__
_NEXT_FENCE = _table.c.fence + literal_column("1")
#: Without a claim it waits for a retry, with the same fence.
_IS_CLAIMED = and_(or_(IS_OPEN, IS_HELD), Delivery.claimed_at.is_not(None))
_RENEW = bulk_update(_table, "id", "fence", condition=_IS_CLAIMED)
_RELEASE = bulk_update(
    _table,
    "id",
    "fence",
    condition=_IS_CLAIMED,
    changes={"claimed_at": null(), "fence": _NEXT_FENCE},
)
_DEFER = bulk_update(
    _table,
    "id",
    "fence",
    condition=_IS_CLAIMED,
    changes={"claimed_at": null(), "deferred": true(), "fence": _NEXT_FENCE},
)


def _update_claims(
    connection: Connection, statement: BulkStatement, fences: Fences, due_at: datetime
) -> None:
    if fences:
        # All transactions lock deliveries in the order of ids, so that no two can deadlock.
        pairs = sorted(fences.items())
        rows = [{"id": one, "fence": fence, "due_at": due_at} for one, fence in pairs]
        statement.run(connection, rows)
