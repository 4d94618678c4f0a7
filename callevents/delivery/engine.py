"""The delivery engine of one worker process: claims deliveries, makes attempts, records outcomes.

The dispatcher submits claims to the HTTP client's thread, which makes all attempts at the same time
and passes their outcomes to the recorder. Meanwhile a thread renews the leases of all claims.
"""

import threading
import time
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Engine as SqlEngine

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.delivery.claim import Claim, Fences, fences_of, release_claims, renew_leases
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.expiry import EXPIRED_ERROR
from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.in_flight import STALLED_SECONDS, InFlight
from callevents.delivery.lease import HANDOVER_RENEW_SECONDS, RENEW_AFTER_SHARE, Lease
from callevents.delivery.load_claims import finish_without_attempt
from callevents.delivery.oauth.token_source import TokenSource
from callevents.delivery.oauth.waiting import TokenWaiters
from callevents.delivery.outbox import DEFER_BEHIND_RUNNING
from callevents.delivery.outcomes import Outcome
from callevents.delivery.pick_up import PickUp
from callevents.delivery.receiver_limits import ReceiverLimits
from callevents.delivery.recorder import Recorder
from callevents.enums import DeliveryState

log = structlog.get_logger("callevents.delivery")


class Engine:
    """Sends due deliveries. Thread-safe; close it to stop."""

    def __init__(
        self,
        database: SqlEngine,
        settings: Settings,
        *,
        stalled_seconds: float = STALLED_SECONDS,
    ) -> None:
        self._database = database
        self._settings = settings
        self._http_client = HttpClient(settings)
        self._without_attempt = ThreadPoolExecutor(1, "expire")
        self._limits = ReceiverLimits(database)
        self._in_flight = InFlight(
            slots=settings.worker_threads,
            slots_per_origin=settings.origin_in_flight,
            find_cap=self._limits.find_cap,
            stalled_seconds=stalled_seconds,
        )
        self._dispatcher = Dispatcher(
            database, settings, self._in_flight, self._submit, self._limits
        )
        self._pick_up = PickUp(
            database, settings, self._in_flight, self._submit, self._dispatcher, self._limits
        )
        self._recorder = Recorder(database, settings, self._in_flight, self._pick_up.take)
        self._closed = threading.Event()
        tokens = TokenSource(database, settings, self._http_client.send, self._closed)
        self._token_waiters = TokenWaiters(tokens.get, self._take_again, self._fail)
        self._threads = [
            threading.Thread(target=self._recorder.run, name="record", daemon=True),
            threading.Thread(target=self._dispatcher.run, name="dispatch", daemon=True),
            threading.Thread(target=self._renew, name="renew", daemon=True),
        ]

    @property
    def is_stopping(self) -> bool:
        """True if it claims nothing more."""
        return self._dispatcher.is_stopping

    def start(self) -> None:
        """Start to dispatch deliveries, record outcomes and renew leases."""
        for thread in self._threads:
            thread.start()

    @property
    def is_idle(self) -> bool:
        """True if it has nothing due to dispatch."""
        return self._dispatcher.is_idle

    def wake(self) -> None:
        """Dispatch due deliveries now."""
        self._dispatcher.wake()

    def has_room(self) -> bool:
        """Return True if more deliveries can be taken without a long wait for a slot."""
        return self._in_flight.count_queued() < self._settings.worker_threads

    def take(self, fences: Fences, lease: Lease) -> None:
        """Submit deliveries that were claimed for whoever takes them."""
        self._pick_up.take(fences, lease)

    def drain(self) -> int:
        """Dispatch due deliveries until none is left or the engine stops; return how many.

        Raises SQLAlchemyError if the database is unavailable.
        """
        return self._dispatcher.drain()

    def request_stop(self) -> None:
        """Claim nothing more. Takes no locks, so that a signal handler may call it."""
        self._dispatcher.request_stop()

    def close(self) -> None:
        """Stop: wait for running attempts, abort the rest after a while, record all outcomes."""
        self._dispatcher.close()
        self._pick_up.close()
        give_up_at = time.monotonic() + self._settings.shutdown_seconds
        while self._in_flight and time.monotonic() < give_up_at:
            self._closed.wait(0.02)
        self._closed.set()
        self._http_client.close()
        self._token_waiters.close()
        self._without_attempt.shutdown()
        self._recorder.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _submit(self, origin_id: int, claims: list[Claim], slots: int) -> None:
        """Queue an origin's claims, and make at most `slots` more attempts at the same time."""
        for _ in range(self._in_flight.register(origin_id, claims, slots)):
            first = self._in_flight.next(origin_id)
            self._http_client.call(partial(self._work, origin_id, first))

    def _work(self, origin_id: int, claim: Claim | None) -> None:
        """Begin an attempt for the claim, or for the next one in the queue that may be sent."""
        while claim is not None and not self._begin(claim):
            claim = self._in_flight.next(origin_id)
        if claim is None and self._limits.find_cap(origin_id) is not None:
            # The dispatcher leaves the origin alone while its receiver's limit is reached.
            self._dispatcher.wake()

    def _begin(self, claim: Claim) -> bool:
        """Begin an attempt; return False if the delivery must not be sent any more."""
        now = utc_now()
        if time.monotonic() >= claim.send_before:
            # It has waited for too long here; another worker may have claimed it since.
            self._without_attempt.submit(self._release, claim)
        elif now > claim.expires_at:
            self._without_attempt.submit(self._expire, claim, now)
        elif time.monotonic() > claim.fresh_until and not claim.is_probe:
            self._read_again(claim)
        elif claim.receiver is not None and claim.lacks_token:
            if not self._token_waiters.add(claim.receiver.id, claim):
                self._without_attempt.submit(self._release, claim, DEFER_BEHIND_RUNNING)
        else:
            self._http_client.start(claim.request, now, partial(self._end, claim))
            return True
        return False

    def _read_again(self, claim: Claim) -> None:
        """Read again which of the origin's claims may be sent, and submit those.

        They have waited here, for a receiver that has become slow: meanwhile their request may have
        been disabled, changed or cleared. A slow database takes as long to reserve their moments:
        these are kept, or nothing would ever be sent.
        """
        stale = [claim, *self._in_flight.remove_queued([claim.origin_id])]
        admitted = {one.delivery_id for one in stale if not one.lacks_token}
        self._without_attempt.submit(self._take_again, stale, admitted)

    def _take_again(self, claims: Sequence[Claim], admitted: Set[str] = frozenset()) -> None:
        """Load the claims again, and submit those that may be sent."""
        self._in_flight.release(claims)
        lease = min((one.lease for one in claims), key=lambda lease: lease.send_before)
        self._pick_up.take(fences_of(claims), lease, admitted)

    def _fail(self, claims: Sequence[Claim], error: str) -> None:
        """Record attempts that failed before anything was sent."""
        for claim in claims:
            self._recorder.enqueue(Outcome(claim, Response(utc_now(), 0, error)))

    def _end(self, claim: Claim, response: Response) -> None:
        """Pass on the outcome, and begin the next attempt."""
        interrupted = self._closed.is_set() and not response.has_response
        self._recorder.enqueue(Outcome(claim, response, interrupted))
        self._in_flight.record_duration(claim.origin_id, response.duration_ms / 1000)
        self._work(claim.origin_id, self._in_flight.next(claim.origin_id))

    def _expire(self, claim: Claim, now: datetime) -> None:
        """Fail a delivery that has expired while it waited to be sent."""
        try:
            with write_transaction(self._database) as connection:
                fences = {claim.delivery_id: claim.fence}
                finish_without_attempt(connection, fences, DeliveryState.FAILED, now, EXPIRED_ERROR)
        except Exception as error:  # noqa: BLE001  # its lease ends, and it is failed then
            log.error("could not fail an expired delivery", error=str(error))
        self._in_flight.release([claim])

    def _release(self, claim: Claim, wait: timedelta = timedelta()) -> None:
        """Make a delivery due again, soon or after a while."""
        try:
            with write_transaction(self._database) as connection:
                release_claims(connection, {claim.delivery_id: claim.fence}, utc_now() + wait)
        except Exception as error:  # noqa: BLE001  # its lease ends
            log.error("could not release a claim", error=str(error))
        self._in_flight.release([claim])

    def _renew(self) -> None:
        duration = timedelta(seconds=self._settings.lease_seconds)
        interval = self._settings.lease_seconds * RENEW_AFTER_SHARE
        renew_at: dict[tuple[str, int], float] = {}
        while not self._closed.wait(min(interval, HANDOVER_RENEW_SECONDS) / 2):
            current = self._in_flight.claims()
            # Without those that are finished.
            renew_at = {one.key: renew_at.get(one.key, one.lease.renew_at) for one in current}
            now = time.monotonic()
            claims = [one for one in current if renew_at[one.key] <= now]
            if not claims:
                continue
            try:
                with write_transaction(self._database) as connection:
                    renew_leases(connection, claims, utc_now(), duration)
                renew_at |= {one.key: now + interval for one in claims}
            except Exception as error:  # noqa: BLE001  # without this thread all leases would expire
                log.error("could not renew leases", count=len(claims), error=str(error))
