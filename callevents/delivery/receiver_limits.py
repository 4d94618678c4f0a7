"""The limits of receivers, by the origins that their requests go to.

Requests of other hooks to the same origin share its slots, so the smallest limit applies to all.
What an admin of one PBX sets must not slow others: see `_read`.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Integer, bindparam, or_, select

from callevents.db.models import Hook, Receiver
from callevents.db.session import read_connection
from callevents.delivery.fair_share import Share
from callevents.delivery.pacing import burst_of

#: A limit that a user changes applies after this time.
READ_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """What was read. Nearly always there are no limits."""

    #: Requests in flight, by origin ID.
    caps: Mapping[int, int] = field(default_factory=dict)
    #: The IDs of receivers with a number of requests a second, by the ID of an origin that gets
    #: requests of no others.
    paced: Mapping[int, set[int]] = field(default_factory=dict)
    #: How many requests these take at once, by origin ID.
    bursts: Mapping[int, int] = field(default_factory=dict)


class ReceiverLimits:
    """Reads the limits once a second, while they are asked for. Thread-safe."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read_at = 0.0
        self.current = Limits()

    def refresh(self) -> None:
        """Read the limits again if that was a while ago; raises SQLAlchemyError."""
        with self._lock:
            now = time.monotonic()
            if self._read_at and now < self._read_at + READ_EVERY_SECONDS:
                return
            with read_connection(self._database) as connection:
                self.current = _read(connection)
            self._read_at = now

    def find_cap(self, origin_id: int) -> int | None:
        """Return how many requests to the origin may be in flight, None without a limit."""
        return self.current.caps.get(origin_id)


def find_paced(
    connection: Connection, paced: Mapping[int, set[int]], now: datetime
) -> dict[int, datetime]:
    """Return until when nothing may be sent, for the origins where that is so, by origin ID."""
    ids = set[int]().union(*paced.values())
    if not ids:
        return {}
    rows: Iterable[Any] = connection.execute(_PACED_UNTIL, {"ids": sorted(ids)})
    until = {receiver_id: moment for receiver_id, moment in rows if moment and moment > now}
    # As soon as one receiver of the origin takes a request.
    return {
        origin_id: min(until[one] for one in receiver_ids)
        for origin_id, receiver_ids in paced.items()
        if receiver_ids <= until.keys()
    }


def limit_paced(shares: Iterable[Share], limits: Limits) -> list[Share]:
    """Return the shares with only as many deliveries as paced receivers take at once."""
    return [
        replace(share, limit=min(share.limit, limits.bursts[share.ready.origin_id]), ahead=0)
        if share.ready.origin_id in limits.bursts
        else share
        for share in shares
    ]


_LIMITED = select(
    Receiver.id, Receiver.pbx_id, Receiver.max_in_flight, Receiver.max_per_second
).where(or_(Receiver.max_in_flight.is_not(None), Receiver.max_per_second.is_not(None)))
_IDS = bindparam("ids", type_=Integer, expanding=True)
_ORIGINS = select(Hook.origin_id).where(Hook.receiver_id.in_(_IDS))
_USERS = (
    select(Hook.origin_id, Hook.receiver_id, Hook.pbx_id)
    .distinct()
    .where(Hook.active, Hook.origin_id.in_(_ORIGINS))
)
_PACED_UNTIL = select(Receiver.id, Receiver.paced_until).where(Receiver.id.in_(_IDS))


def _read(connection: Connection) -> Limits:
    """Return the limits of the origins to which enabled requests of limited receivers go.

    A receiver of one PBX limits the requests in flight only where no other PBX sends any. An origin
    is paced only if all its requests are; else `admit` paces each claim.
    """
    rows: Iterable[Any] = connection.execute(_LIMITED)
    limited: dict[int | None, Any] = {row.id: row for row in rows}
    if not limited:
        return Limits()
    caps: dict[int, int] = {}
    paced: dict[int, set[int]] = {}
    bursts: dict[int, int] = {}
    users: dict[int, list[Any]] = {}
    rows = connection.execute(_USERS, {"ids": list(limited)})
    for row in rows:
        users.setdefault(row.origin_id, []).append(row)
    for origin_id, of_origin in users.items():
        pbx_ids = {row.pbx_id for row in of_origin}
        receiver_ids = {row.receiver_id for row in of_origin}
        receivers = [limited[one] for one in receiver_ids & limited.keys()]
        own_caps = [
            one.max_in_flight
            for one in receivers
            if one.max_in_flight is not None and (one.pbx_id is None or pbx_ids == {one.pbx_id})
        ]
        if own_caps:
            caps[origin_id] = min(own_caps)
        rates = [one.max_per_second for one in receivers if one.max_per_second is not None]
        if len(rates) == len(receiver_ids):
            paced[origin_id] = receiver_ids
            bursts[origin_id] = max(burst_of(rate) for rate in rates)
    return Limits(caps, paced, bursts)
