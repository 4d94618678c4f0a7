"""The limits of receivers, by the origins that their requests go to.

Requests of other hooks to the same origin share its slots, so the smallest limit applies to all.
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
    #: The IDs of receivers with a number of requests a second, by origin ID.
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


_LIMITED = select(Receiver.id, Receiver.max_in_flight, Receiver.max_per_second).where(
    or_(Receiver.max_in_flight.is_not(None), Receiver.max_per_second.is_not(None))
)
_IDS = bindparam("ids", type_=Integer, expanding=True)
_ORIGINS = select(Hook.receiver_id, Hook.origin_id).distinct().where(Hook.receiver_id.in_(_IDS))
_PACED_UNTIL = select(Receiver.id, Receiver.paced_until).where(Receiver.id.in_(_IDS))


def _read(connection: Connection) -> Limits:
    limited = {row.id: row for row in connection.execute(_LIMITED)}
    if not limited:
        return Limits()
    caps: dict[int, int] = {}
    paced: dict[int, set[int]] = {}
    bursts: dict[int, int] = {}
    origins: Iterable[Any] = connection.execute(_ORIGINS, {"ids": list(limited)})
    for receiver_id, origin_id in origins:
        row = limited[receiver_id]
        if row.max_in_flight is not None:
            caps[origin_id] = min(row.max_in_flight, caps.get(origin_id, row.max_in_flight))
        if row.max_per_second is not None:
            paced.setdefault(origin_id, set()).add(receiver_id)
            burst = burst_of(row.max_per_second)
            bursts[origin_id] = max(burst, bursts.get(origin_id, burst))
    return Limits(caps, paced, bursts)
