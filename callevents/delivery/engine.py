"""The delivery engine of one worker process: claims deliveries, makes attempts, records outcomes.

The dispatcher submits claims to a pool of threads. Each thread makes its attempts and passes the
outcomes to the recorder. Meanwhile a thread renews the leases of all claims.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine as SqlEngine

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.delivery.claim import (
    HANDOVER_RENEW_SECONDS,
    RENEW_AFTER_SHARE,
    Claim,
    Fences,
    Lease,
    fences_of,
    renew_leases,
)
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.expiry import EXPIRED_ERROR
from callevents.delivery.http.client import HttpClient
from callevents.delivery.in_flight import STALLED_SECONDS, InFlight
from callevents.delivery.load_claims import finish_without_attempt
from callevents.delivery.outcomes import Outcome
from callevents.delivery.pick_up import PickUp
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
        self._pool = ThreadPoolExecutor(settings.worker_threads, "attempt")
        self._in_flight = InFlight(stalled_seconds=stalled_seconds)
        self._dispatcher = Dispatcher(database, settings, self._in_flight, self._submit)
        self._pick_up = PickUp(database, settings, self._in_flight, self._submit)
        self._recorder = Recorder(database, settings, self._in_flight, self._pick_up.take)
        self._closed = threading.Event()
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
        """Return True if more deliveries can be taken without a long wait for a thread."""
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
        self._http_client.interrupt()
        self._pool.shutdown(wait=True)
        self._recorder.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._http_client.close()

    def _submit(self, origin_id: int, claims: list[Claim], threads: int) -> None:
        """Queue an origin's claims, and start at most `threads` more threads for it."""
        for _ in range(self._in_flight.register(origin_id, claims, threads)):
            try:
                self._pool.submit(self._work, origin_id)
            except RuntimeError as error:
                # The pool runs the task when a thread becomes free. Until then the queue stalls,
                # and the dispatcher releases it.
                log.error("could not start a thread for an attempt", error=str(error))

    def _work(self, origin_id: int) -> None:
        """Make attempts until the origin's queue is empty."""
        while (claim := self._in_flight.next(origin_id)) is not None:
            self._attempt(claim)

    def _attempt(self, claim: Claim) -> None:
        try:
            if time.monotonic() >= claim.send_before:
                # This process was delayed; another worker may have claimed it since.
                self._in_flight.release([claim])
                return
            if (now := utc_now()) > claim.expires_at:
                self._expire(claim, now)
                return
            response = self._http_client.send(claim.request, now)
            interrupted = self._closed.is_set() and not response.has_response
            self._recorder.enqueue(Outcome(claim, response, interrupted))
            self._in_flight.record_duration(claim.origin_id, response.duration_ms / 1000)
        except Exception as error:  # a thread that ended would keep the claim for ever
            log.error("attempt crashed", delivery=claim.delivery_id, exc_info=error)
            self._in_flight.release([claim])

    def _expire(self, claim: Claim, now: datetime) -> None:
        """Fail a delivery that has expired while it waited for its thread."""
        with write_transaction(self._database) as connection:
            fences = {claim.delivery_id: claim.fence}
            finish_without_attempt(connection, fences, DeliveryState.FAILED, now, EXPIRED_ERROR)
        self._in_flight.release([claim])

    def _renew(self) -> None:
        duration = timedelta(seconds=self._settings.lease_seconds)
        interval = self._settings.lease_seconds * RENEW_AFTER_SHARE
        renew_at: dict[str, float] = {}
        while not self._closed.wait(min(interval, HANDOVER_RENEW_SECONDS) / 2):
            current = self._in_flight.claims()
            # Without those that are finished.
            renew_at = {one.delivery_id: renew_at.get(one.delivery_id, 0.0) for one in current}
            now = time.monotonic()
            claims = [
                one for one in current if max(one.lease.renew_at, renew_at[one.delivery_id]) <= now
            ]
            if not claims:
                continue
            try:
                with write_transaction(self._database) as connection:
                    renew_leases(connection, claims, utc_now(), duration)
                renew_at |= dict.fromkeys(fences_of(claims), now + interval)
            except Exception as error:  # noqa: BLE001  # without this thread all leases would expire
                log.error("could not renew leases", count=len(claims), error=str(error))
