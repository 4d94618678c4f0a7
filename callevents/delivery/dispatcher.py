"""Finds what is due, claims as much as there are free threads, and hands it out.

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
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.claim import (
    Claim,
    Claimed,
    claim_due,
    find_suspended,
    finish_unsent,
    load_claims,
    return_claims,
)
from callevents.delivery.expiry import GIVEN_UP, give_up_expired, has_expired
from callevents.delivery.fair_share import (
    RETRIES_FIRST_EVERY,
    Ready,
    Share,
    add_ahead,
    find_breakers,
    find_ready,
    share_out,
)
from callevents.delivery.in_flight import STUCK_SECONDS, InFlight
from callevents.enums import DeliveryState
from callevents.security.encryption import Cipher

#: While there is work, the dispatcher looks again after this, however many wakes come meanwhile:
#: each look costs a transaction, so under load it is better to find a few deliveries at once.
LOOK_AGAIN_SECONDS = 0.005
#: When the last look found so many, the next one comes later and finds more.
MANY = 8
LOOK_AGAIN_AFTER_MANY_SECONDS = 0.02
#: It goes on like that until it has found nothing for so long.
LINGER_SECONDS = 0.1
#: A job that woke the dispatcher lasts while there is work, but not longer than this.
LONGEST_JOB_SECONDS = 1.0

log = structlog.get_logger("callevents.delivery")


class Dispatcher:
    """Looks for due deliveries in a thread of its own: `run` until `request_stop`."""

    def __init__(
        self,
        database: SqlEngine,
        settings: Settings,
        in_flight: InFlight,
        submit: Callable[[int, list[Claim], int], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._in_flight = in_flight
        self._submit = submit
        self._cipher = Cipher(settings.read_encryption_keys)
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._looking = threading.Lock()
        self._looks = 0
        #: Whether the last look left something due for want of threads.
        self._is_starved = False
        self._pause_seconds = LOOK_AGAIN_SECONDS
        self._wake = threading.Event()
        self._idle = threading.Event()
        #: A plain flag and no Event, whose lock a signal handler could find taken.
        self.is_stopping = False

    def wake(self) -> None:
        """Look for due deliveries now; return when there is no work, or after a second.

        Wakes that come meanwhile would tell nothing new, so their senders need not send them.
        """
        self._idle.clear()
        self._wake.set()
        self._idle.wait(LONGEST_JOB_SECONDS)

    def drain(self) -> int:
        """Hand out due deliveries until none is left or the engine stops; return how many.

        Raises SQLAlchemyError if the database does not answer.
        """
        handed_out = 0
        while not self.is_stopping:
            found = self._hand_out()
            handed_out += len(found.fences)
            if self._is_starved:
                self._wait_for_threads()
            elif not found.looked_at:
                break
        return handed_out

    def request_stop(self) -> None:
        """Claim nothing more. Takes no locks, so that a signal handler may call it."""
        self.is_stopping = True

    def close(self) -> None:
        """Stop, when what has been claimed already is handed out."""
        self.request_stop()
        with self._looking:
            self._wake.set()
            self._idle.set()
        try:
            self._return(self._in_flight.withdraw())
        except SQLAlchemyError as error:
            log.error("claims not returned; their leases end by themselves", error=str(error))

    def run(self) -> None:
        """Look for due deliveries: when woken, while there is work, and now and then by itself."""
        busy_until = expire_at = 0.0
        while not self.is_stopping:
            self._pause(busy_until)
            try:
                found = self._hand_out()
                if found.looked_at or self._is_starved or self._in_flight.has_lines():
                    busy_until = time.monotonic() + LINGER_SECONDS
                if time.monotonic() >= expire_at:
                    expire_at = time.monotonic() + self._settings.poll_seconds
                    self._give_up_expired()
            except SQLAlchemyError as error:
                log.error("the database does not answer", error=str(error))
            except Exception as error:  # without this thread nothing would be found
                log.error("looking for due deliveries failed", exc_info=error)

    def _pause(self, busy_until: float) -> None:
        if self._is_starved:
            self._wait_for_threads()
        elif time.monotonic() < busy_until:
            time.sleep(self._pause_seconds)
        else:
            self._idle.set()
            self._wake.wait(self._settings.poll_seconds)
            self._wake.clear()

    def _wait_for_threads(self) -> None:
        """Wait until a good part of the threads is free, or a moment has passed."""
        until = time.monotonic() + 2 * LOOK_AGAIN_SECONDS
        enough = max(1, self._settings.worker_threads // 4)
        while not self.is_stopping and time.monotonic() < until:
            time.sleep(LOOK_AGAIN_SECONDS)
            if self._count_free() >= enough:
                break

    def _count_free(self) -> int:
        return self._settings.worker_threads - sum(self._in_flight.count_threads().values())

    def _hand_out(self) -> Claimed:
        """Claim what there are threads for and hand it out; return what was found."""
        with self._looking:
            nothing = Claimed({}, 0)
            self._is_starved = False
            if self.is_stopping:
                return nothing
            # Counted from before the claim, so that it is never later than the lease's own end.
            send_before = time.monotonic() + self._lease.total_seconds()
            now = utc_now()
            with read_connection(self._database) as connection:
                shares = self._share_out(connection, now)
            if not shares:
                return nothing
            with write_transaction(self._database) as connection:
                found = claim_due(connection, shares, now, self._lease)
            many = len(found.fences) >= MANY
            self._pause_seconds = LOOK_AGAIN_AFTER_MANY_SECONDS if many else LOOK_AGAIN_SECONDS
            if found.fences:
                self._submit_all(self._load(found.fences, send_before), found.probed, shares)
            return found

    def _submit_all(
        self, claims: Iterable[Claim], probed: Set[int], shares: Iterable[Share]
    ) -> None:
        """Hand the claims out, those of an origin together."""
        threads = Counter[int]()
        for share in shares:
            threads[share.ready.origin_id] += share.limit
        lines: dict[int, list[Claim]] = {}
        for claim in claims:
            is_probe = claim.origin_id in probed
            lines.setdefault(claim.origin_id, []).append(
                replace(claim, is_probe=True) if is_probe else claim
            )
        for origin_id, line in lines.items():
            self._submit(origin_id, line, threads[origin_id])

    def _share_out(self, connection: Connection, now: datetime) -> list[Share]:
        """Return what may be claimed now, and note whether threads are wanting."""
        ready = find_ready(connection, now)
        breakers = find_breakers(connection) if ready or self._in_flight else {}
        self._release(breakers)
        well = [one for one in ready if one.origin_id not in breakers]
        self._looks += 1
        count_threads = self._in_flight.count_threads()
        free = self._settings.worker_threads - sum(count_threads.values())
        shares = share_out(
            well,
            free,
            count_threads,
            self._settings.origin_in_flight,
            retries_first=self._looks % RETRIES_FIRST_EVERY == 0,
        )
        free -= sum(share.limit for share in shares)
        self._is_starved = len(shares) < len(well)
        shares = add_ahead(shares, well, count_threads, self._in_flight.room_ahead)
        return shares + _probes(ready, breakers, now)[: max(0, free)]

    def _release(self, paused: Iterable[int]) -> None:
        """Return what waits for the threads of paused origins, and of those that stand still."""
        stuck = self._in_flight.find_stuck()
        for origin_id in stuck:
            self._in_flight.note_seconds(origin_id, STUCK_SECONDS)
        if paused or stuck:
            self._return(self._in_flight.withdraw({*paused, *stuck}))

    def _return(self, claims: Sequence[Claim]) -> None:
        """Make due again what was claimed and whose attempt shall not begin."""
        if claims:
            with write_transaction(self._database) as connection:
                return_claims(connection, claims, utc_now())

    def _load(self, claimed: dict[str, int], send_before: float) -> list[Claim]:
        """Return what is to be sent; end what is not: too old, or its hook is not active."""
        with read_connection(self._database) as connection:
            claims, unreadable = load_claims(connection, claimed, send_before, self._cipher)
        now = utc_now()
        old = {claim.delivery_id for claim in claims if claim.expires_at < now}
        orphans = claimed.keys() - {claim.delivery_id for claim in claims} - unreadable
        if old or orphans:
            self._end_unsent(claimed, old, orphans)
        return [claim for claim in claims if claim.delivery_id not in old]

    def _end_unsent(self, claimed: dict[str, int], old: set[str], orphans: set[str]) -> None:
        with read_connection(self._database) as connection:
            suspended = find_suspended(connection, orphans)
        for ids, state, error in (
            (old, DeliveryState.FAILED, GIVEN_UP),
            (suspended, DeliveryState.FAILED, SUSPENDED_ERROR),
            (orphans - suspended, DeliveryState.CANCELLED, ""),
        ):
            fences = {delivery_id: claimed[delivery_id] for delivery_id in ids}
            if fences:
                # In a transaction of its own, which locks in one order from its first to its last.
                with write_transaction(self._database) as connection:
                    finish_unsent(connection, fences, state, utc_now(), error)

    def _give_up_expired(self) -> None:
        while not self.is_stopping:
            with read_connection(self._database) as connection:
                if not has_expired(connection, utc_now()):
                    return
            with write_transaction(self._database) as connection:
                if not give_up_expired(connection, utc_now()):
                    return


def _probes(ready: Iterable[Ready], breakers: Mapping[int, datetime], now: datetime) -> list[Share]:
    """Return a share for one delivery of each origin whose pause is over."""
    due = {one.origin_id: one for one in ready if one.origin_id in breakers}
    return [
        Share(one, 1, probe_at=breakers[origin_id])
        for origin_id, one in due.items()
        if breakers[origin_id] <= now
    ]
