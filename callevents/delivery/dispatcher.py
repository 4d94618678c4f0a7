"""Finds due deliveries, claims as many as there are free slots, and dispatches them.

It does not wait for attempts to end, so a slow receiver never delays the others.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import SQLAlchemyError

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.alarm import Alarm
from callevents.delivery.claim import (
    Claim,
    ClaimResult,
    Fences,
    claim_due,
    claim_passed_over,
    fences_of,
    release_claims,
)
from callevents.delivery.expiry import fail_all_expired
from callevents.delivery.fair_share import (
    RETRIES_FIRST_EVERY,
    Ready,
    Share,
    add_ahead,
    allocate_slots,
    find_breakers,
    find_ready,
)
from callevents.delivery.in_flight import STALLED_SECONDS, InFlight
from callevents.delivery.lease import Lease, start_lease
from callevents.delivery.load_claims import load_sendable
from callevents.delivery.pacing import admit
from callevents.delivery.receiver_limits import ReceiverLimits, find_paced, limit_paced
from callevents.security.encryption import Cipher

#: While there is work, the dispatcher queries at this interval, however often it is woken: each
#: query costs a transaction, so under load it is better to find several deliveries at once.
BUSY_INTERVAL_SECONDS = 0.005
#: After a batch of at least this size, a longer interval finds more deliveries at once.
LARGE_BATCH = 8
LARGE_BATCH_INTERVAL_SECONDS = 0.02
#: A receiver with as many requests in flight as it may have is looked at again after this time, if
#: none of them has ended before.
FULL_INTERVAL = timedelta(seconds=0.5)
#: It goes on like that until it has found nothing for this time.
LINGER_SECONDS = 0.1

log = structlog.get_logger("callevents.delivery")


class Dispatcher:
    """Dispatches due deliveries in a thread of its own: `run` until `request_stop`."""

    def __init__(
        self,
        database: SqlEngine,
        settings: Settings,
        in_flight: InFlight,
        submit: Callable[[int, list[Claim], int], None],
        limits: ReceiverLimits,
    ) -> None:
        self._database = database
        self._settings = settings
        self._in_flight = in_flight
        self._submit = submit
        self._limits = limits
        self._cipher = Cipher(settings.read_encryption_keys)
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._dispatching = threading.Lock()
        self._rounds = 0
        #: True if the last round left due deliveries because no slot was free.
        self._is_starved = False
        self._interval_seconds = BUSY_INTERVAL_SECONDS
        self._wake = threading.Event()
        self._alarm = Alarm()
        self._idle = threading.Event()
        #: A plain flag and no Event, whose lock a signal handler could find locked.
        self.is_stopping = False

    @property
    def is_idle(self) -> bool:
        """True if it has found nothing since it was woken, or for a while."""
        return self._idle.is_set()

    def wake(self) -> None:
        """Dispatch due deliveries now."""
        self._idle.clear()
        self._wake.set()

    def wake_at(self, moment: datetime) -> None:
        """Dispatch deliveries that are due at that moment."""
        self._alarm.set(moment)
        self._wake.set()

    def drain(self) -> int:
        """Dispatch due deliveries until none is left or the engine stops; return how many.

        Raises SQLAlchemyError if the database is unavailable.
        """
        dispatched = 0
        while not self.is_stopping:
            result = self._dispatch()
            dispatched += len(result.fences)
            if self._is_starved:
                self._wait_for_slots()
            elif not result.examined:
                break
        return dispatched

    def request_stop(self) -> None:
        """Claim nothing more. Takes no locks, so that a signal handler may call it."""
        self.is_stopping = True

    def close(self) -> None:
        """Stop after the current round, and release the claims that wait for a slot."""
        self.request_stop()
        with self._dispatching:
            self._wake.set()
            self._idle.set()
        try:
            self._release(self._in_flight.remove_queued())
        except SQLAlchemyError as error:
            log.error("could not release claims; their leases will expire", error=str(error))

    def run(self) -> None:
        """Dispatch due deliveries: when woken, while there is work, and at the poll interval."""
        busy_until = expire_at = 0.0
        while not self.is_stopping:
            self._wait(busy_until)
            try:
                result = self._dispatch()
                if result.examined or self._is_starved or self._in_flight.has_queued():
                    busy_until = time.monotonic() + LINGER_SECONDS
                if time.monotonic() >= expire_at:
                    expire_at = time.monotonic() + self._settings.poll_seconds
                    fail_all_expired(self._database, lambda: self.is_stopping)
            except SQLAlchemyError as error:
                log.error("database unavailable", error=str(error))
            except Exception as error:  # without this thread nothing would be sent
                log.error("dispatch failed", exc_info=error)

    def _wait(self, busy_until: float) -> None:
        if self._is_starved:
            self._wait_for_slots()
        elif time.monotonic() < busy_until:
            time.sleep(self._interval_seconds)
        else:
            self._idle.set()
            self._wake.wait(min(self._settings.poll_seconds, self._alarm.seconds_left()))
            self._wake.clear()

    def _wait_for_slots(self) -> None:
        """Wait until a quarter of the slots is free, or a moment has passed."""
        until = time.monotonic() + 2 * BUSY_INTERVAL_SECONDS
        enough = max(1, self._settings.worker_threads // 4)
        while not self.is_stopping and time.monotonic() < until:
            time.sleep(BUSY_INTERVAL_SECONDS)
            if self._count_free_slots() >= enough:
                break

    def _count_free_slots(self) -> int:
        return self._settings.worker_threads - sum(self._in_flight.count_busy().values())

    def _dispatch(self) -> ClaimResult:
        """Claim deliveries for the free slots and submit them; return what was claimed."""
        with self._dispatching:
            nothing = ClaimResult({}, 0)
            self._is_starved = False
            if self.is_stopping:
                return nothing
            self._limits.refresh()
            lease = start_lease(self._lease)
            now = utc_now()
            with read_connection(self._database) as connection:
                shares = self._allocate(connection, now)
            if not shares:
                return nothing
            with write_transaction(self._database) as connection:
                result = claim_due(connection, shares, now, self._lease)
            is_large = len(result.fences) >= LARGE_BATCH
            self._interval_seconds = (
                LARGE_BATCH_INTERVAL_SECONDS if is_large else BUSY_INTERVAL_SECONDS
            )
            deferred = self._load_and_submit(result.fences, lease, result.probed, shares)
            deferred |= result.deferred
            while deferred:
                # After the others: it may have to wait for a lock.
                lease = start_lease(self._lease)
                passed = claim_passed_over(self._database, deferred, utc_now(), self._lease)
                deferred = self._load_and_submit(passed, lease, result.probed, shares)
            return result

    def _load_and_submit(
        self, fences: Fences, lease: Lease, probed: Set[int], shares: Iterable[Share]
    ) -> Set[int]:
        """Submit claims; return the ordering keys of those that were deferred."""
        if not fences:
            return frozenset()
        claims, deferred = load_sendable(self._database, fences, lease, self._cipher)
        if probed:
            claims = [
                replace(one, is_probe=True) if one.origin_id in probed else one for one in claims
            ]
        admitted = admit(self._database, claims)
        if admitted.again_at is not None:
            self._alarm.set(admitted.again_at)
        self._submit_all(admitted.claims, shares)
        return deferred

    def _submit_all(self, claims: Iterable[Claim], shares: Iterable[Share]) -> None:
        """Submit the claims of each origin together."""
        slots = Counter[int]()
        for share in shares:
            slots[share.ready.origin_id] += share.limit
        by_origin: dict[int, list[Claim]] = {}
        for claim in claims:
            by_origin.setdefault(claim.origin_id, []).append(claim)
        for origin_id, group in by_origin.items():
            self._submit(origin_id, group, slots[origin_id])

    def _allocate(self, connection: Connection, now: datetime) -> list[Share]:
        """Return the shares to claim now; set `_is_starved`."""
        ready = find_ready(connection, now)
        breakers = find_breakers(connection) if ready or self._in_flight else {}
        self._release_blocked(breakers)
        busy = self._in_flight.count_busy()
        full = self._find_full(connection, ready, busy, now)
        closed = [one for one in ready if one.origin_id not in breakers.keys() | full]
        self._rounds += 1
        free = self._settings.worker_threads - sum(busy.values())
        shares = allocate_slots(
            closed,
            free,
            busy,
            self._settings.origin_in_flight,
            caps=self._limits.current.caps,
            retries_first=self._rounds % RETRIES_FIRST_EVERY == 0,
        )
        free -= sum(share.limit for share in shares)
        self._is_starved = len(shares) < len(closed)
        shares = add_ahead(shares, closed, busy, self._in_flight.ahead_limit)
        shares = limit_paced(shares, self._limits.current)
        return shares + _probe_shares(ready, breakers, now)[: max(0, free)]

    def _find_full(
        self,
        connection: Connection,
        ready: Iterable[Ready],
        busy: Mapping[int, int],
        now: datetime,
    ) -> Set[int]:
        """Return the origins that take nothing now because of a receiver's limits.

        They do not count as starved, which would bring one round after the other.
        """
        limits = self._limits.current
        full = {one for one, cap in limits.caps.items() if busy.get(one, 0) >= cap}
        paced = find_paced(connection, limits.paced, now)
        for origin_id in {one.origin_id for one in ready}:
            if origin_id in paced:
                self._alarm.set(paced[origin_id])
            elif origin_id in full:
                self._alarm.set(now + FULL_INTERVAL)
        return full | paced.keys()

    def _release_blocked(self, open_origins: Iterable[int]) -> None:
        """Release queued claims of origins whose breaker is open, or whose queue has stalled."""
        stalled = self._in_flight.find_stalled()
        for origin_id in stalled:
            self._in_flight.record_duration(origin_id, STALLED_SECONDS)
        if open_origins or stalled:
            self._release(self._in_flight.remove_queued({*open_origins, *stalled}))

    def _release(self, claims: Sequence[Claim]) -> None:
        if claims:
            with write_transaction(self._database) as connection:
                release_claims(connection, fences_of(claims), utc_now())


def _probe_shares(
    ready: Iterable[Ready], breakers: Mapping[int, datetime], now: datetime
) -> list[Share]:
    """Return a share of one delivery for each origin whose breaker may be probed now."""
    due = {one.origin_id: one for one in ready if one.origin_id in breakers}
    return [
        Share(one, 1, probe_at=breakers[origin_id])
        for origin_id, one in due.items()
        if breakers[origin_id] <= now
    ]
