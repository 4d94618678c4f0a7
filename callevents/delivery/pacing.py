"""Keeps to a receiver's number of requests a second, across all workers.

`paced_until` of the receiver is when the next request may be sent. Who sends moves it on, in a
transaction. What may not be sent yet is due then, in the order in which it would have been sent.
"""

import math
from collections.abc import Iterable, Sequence, Set
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select, update

from callevents.db.models import Receiver, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.claim import Claim, fences_of, release_claims

#: Of fast receivers this share of a second is reserved at once, so that each transaction sends
#: several.
RESERVED_SHARE = 0.1


class Admitted(NamedTuple):
    """The claims that may be sent now, and when the first of the others is due again."""

    claims: Sequence[Claim]
    again_at: datetime | None = None


def admit(database: Engine, claims: Sequence[Claim], reserved: Set[str] = frozenset()) -> Admitted:
    """Find the claims that may be sent now; release the others until they may.

    `reserved`: the IDs of deliveries that were admitted before, and read again since.
    """
    waiting: dict[int, list[Claim]] = {}
    for claim in claims:
        receiver = claim.receiver
        if receiver is None or receiver.max_per_second is None:
            continue
        if not claim.lacks_token and claim.delivery_id not in reserved:
            waiting.setdefault(receiver.id, []).append(claim)
    if not waiting:
        return Admitted(claims)
    refused: dict[str, datetime] = {}
    for receiver_id, group in sorted(waiting.items()):
        with write_transaction(database) as connection:
            admitted, again_at = _reserve(connection, receiver_id, group, utc_now())
        refused |= {claim.delivery_id: again_at for claim in group if claim not in admitted}
    _release(database, [claim for claim in claims if claim.delivery_id in refused], refused)
    sendable = [claim for claim in claims if claim.delivery_id not in refused]
    return Admitted(sendable, min(refused.values(), default=None))


def burst_of(per_second: float) -> int:
    """Return how many requests may be sent at once."""
    return max(1, int(per_second * RESERVED_SHARE))


def _reserve(
    connection: Connection, receiver_id: int, group: Sequence[Claim], now: datetime
) -> tuple[Sequence[Claim], datetime]:
    """Return the claims that may be sent, and when the next one may."""
    wanted = select(Receiver.paced_until, Receiver.max_per_second).where(Receiver.id == receiver_id)
    row = connection.execute(wanted.with_for_update()).first()
    if row is None or row.max_per_second is None:
        return group, now
    free_at = max(row.paced_until or now, now)
    burst = burst_of(row.max_per_second) if free_at <= now else 0
    # No other worker may send a probe.
    admitted = list(islice(sorted(group, key=_is_no_probe), burst)) if burst else _probes(group)
    milliseconds = math.ceil(1000 * len(admitted) / row.max_per_second)
    free_at += timedelta(milliseconds=milliseconds)
    if admitted:
        connection.execute(
            update(Receiver)
            .where(Receiver.id == receiver_id)
            .values(paced_until=free_at, modified_at=Receiver.modified_at)
        )
    return admitted, free_at


def _is_no_probe(claim: Claim) -> bool:
    return not claim.is_probe


def _probes(group: Iterable[Claim]) -> list[Claim]:
    return [claim for claim in group if claim.is_probe]


def _release(database: Engine, claims: Iterable[Claim], moments: dict[str, datetime]) -> None:
    """Make the claims due at these moments, by delivery ID.

    In a transaction of its own: the recorder locks deliveries before receivers.
    """
    by_moment: dict[datetime, list[Claim]] = {}
    for claim in claims:
        by_moment.setdefault(moments[claim.delivery_id], []).append(claim)
    for moment, group in by_moment.items():
        with write_transaction(database) as connection:
            release_claims(connection, fences_of(group), moment)
