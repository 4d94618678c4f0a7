"""The engine of one worker process: claims due deliveries, makes the attempts, records outcomes.

The dispatcher hands out claims to a pool of threads, each makes its attempt and gives the outcome
to the recorder; meanwhile the leases of what is held are renewed.
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
from callevents.delivery.claim import Claim, finish_unsent, renew_leases
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.expiry import GIVEN_UP
from callevents.delivery.http.client import HttpClient
from callevents.delivery.in_flight import InFlight
from callevents.delivery.outcomes import Outcome
from callevents.delivery.recorder import Recorder
from callevents.enums import DeliveryState

#: Leases are renewed when this share of their time has passed.
RENEW_AFTER_SHARE = 1 / 3

log = structlog.get_logger("callevents.delivery")


class Engine:
    """Delivers what is due. Safe to use from many threads; close it to stop."""

    def __init__(self, database: SqlEngine, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._http_client = HttpClient(settings)
        self._pool = ThreadPoolExecutor(settings.worker_threads, "attempt")
        self._in_flight = InFlight()
        self._dispatcher = Dispatcher(database, settings, self._in_flight, self._submit)
        self._recorder = Recorder(database, settings, self._in_flight)
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._recorder.run, name="record", daemon=True),
            threading.Thread(target=self._dispatcher.run, name="dispatch", daemon=True),
            threading.Thread(target=self._renew, name="renew", daemon=True),
        ]

    @property
    def is_stopping(self) -> bool:
        """Whether it claims nothing more."""
        return self._dispatcher.is_stopping

    def start(self) -> None:
        """Start to look for due deliveries, to record outcomes and to renew leases."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for due deliveries now; return when there is no work, or after a second."""
        self._dispatcher.wake()

    def drain(self) -> int:
        """Hand out due deliveries until none is left or the engine stops; return how many.

        Raises SQLAlchemyError if the database does not answer.
        """
        return self._dispatcher.drain()

    def request_stop(self) -> None:
        """Claim nothing more. Takes no locks, so that a signal handler may call it."""
        self._dispatcher.request_stop()

    def close(self) -> None:
        """Stop: wait for running attempts for a while, end the others, record all outcomes."""
        self._dispatcher.close()
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
        """Give an origin's claims to its threads, and let so many more work for it at most."""
        for _ in range(self._in_flight.register(origin_id, claims, threads)):
            try:
                self._pool.submit(self._work, origin_id)
            except RuntimeError as error:
                # The pool keeps what it was given, for the next thread that is free; until then the
                # line stands still, and the dispatcher gives it back.
                log.error("no thread for an attempt", error=str(error))

    def _work(self, origin_id: int) -> None:
        """Make attempts until none is left in the origin's line."""
        while (claim := self._in_flight.next(origin_id)) is not None:
            self._attempt(claim)

    def _attempt(self, claim: Claim) -> None:
        try:
            if time.monotonic() >= claim.send_before:
                # This process was held up; another worker may have it by now.
                self._in_flight.release([claim])
                return
            if (now := utc_now()) > claim.expires_at:
                self._give_up(claim, now)
                return
            answer = self._http_client.send(claim.request, now)
            interrupted = self._closed.is_set() and not answer.is_answered
            self._recorder.put(Outcome(claim, answer, interrupted))
            self._in_flight.note_seconds(claim.origin_id, answer.duration_ms / 1000)
        except Exception as error:  # a thread that ended would hold the claim for ever
            log.error("an attempt broke off", delivery=claim.delivery_id, exc_info=error)
            self._in_flight.release([claim])

    def _give_up(self, claim: Claim, now: datetime) -> None:
        """Fail a delivery whose time has ended while it waited for its thread."""
        with write_transaction(self._database) as connection:
            fences = {claim.delivery_id: claim.fence}
            finish_unsent(connection, fences, DeliveryState.FAILED, now, GIVEN_UP)
        self._in_flight.release([claim])

    def _renew(self) -> None:
        while not self._closed.wait(self._settings.lease_seconds * RENEW_AFTER_SHARE):
            claims = self._in_flight.claims()
            if not claims:
                continue
            lease = timedelta(seconds=self._settings.lease_seconds)
            try:
                with write_transaction(self._database) as connection:
                    renew_leases(connection, claims, utc_now(), lease)
            except Exception as error:  # noqa: BLE001  # without this thread all leases would end
                log.error("leases not renewed", count=len(claims), error=str(error))
