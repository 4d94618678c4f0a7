"""The engine of one worker process: claims due deliveries, makes the attempts, records outcomes.

A drain claims as much as there are free threads and hands it out until nothing is due; it does not
wait for the attempts to end, so a slow receiver never delays the next drain. Threads put outcomes
into a queue, from which the recorder writes them in batches: one commit for all that have come
while the last one was written.
"""

import queue
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callevents.config import Settings
from callevents.delivery.claim import (
    Claim,
    claim_due,
    finish_unsent,
    has_due,
    load_claims,
    renew_leases,
)
from callevents.delivery.record import Outcome, record
from callevents.delivery.retry import GIVEN_UP, is_too_old
from callevents.delivery.transport import Transport
from callevents.enums import DeliveryState
from callevents.extensions import write_transaction
from callevents.models import utc_now

MAX_BATCH = 500
#: Leases are renewed when this share of their time has passed.
RENEW_AFTER_SHARE = 1 / 3
DATABASE_PAUSE_SECONDS = 0.5

log = structlog.get_logger("callevents.delivery")


class Engine:
    """Delivers what is due. Safe to use from many threads; close it to stop."""

    def __init__(self, database: SqlEngine, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._transport = Transport(settings)
        self._pool = ThreadPoolExecutor(settings.worker_threads, "attempt")
        self._free = threading.Semaphore(settings.worker_threads)
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._held: dict[str, Claim] = {}
        self._held_lock = threading.Lock()
        self._draining = threading.Lock()
        #: A plain flag and no Event, whose lock a signal handler could find taken.
        self.is_stopping = False
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._record_outcomes, name="record", daemon=True),
            threading.Thread(target=self._poll, name="poll", daemon=True),
            threading.Thread(target=self._renew, name="renew", daemon=True),
        ]

    def start(self) -> None:
        """Start to record outcomes, to renew leases, and to look for due deliveries."""
        for thread in self._threads:
            thread.start()

    def drain(self) -> int:
        """Hand out due deliveries until none is left or the engine stops; return how many.

        Raises SQLAlchemyError if the database does not answer.
        """
        handed_out = 0
        with self._draining:
            while not self.is_stopping and (count := self._hand_out()):
                handed_out += count
        return handed_out

    def request_stop(self) -> None:
        """Claim nothing more. Takes no locks, so that a signal handler may call it."""
        self.is_stopping = True

    def close(self) -> None:
        """Stop: wait for running attempts for a while, end the others, record all outcomes."""
        self.request_stop()
        with self._draining:
            pass  # A drain that has claimed already hands that out before the pool is shut down.
        give_up_at = time.monotonic() + self._settings.shutdown_seconds
        while self._held and time.monotonic() < give_up_at:
            self._closed.wait(0.02)
        self._closed.set()
        self._transport.interrupt()
        self._pool.shutdown(wait=True)
        self._outcomes.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._transport.close()

    def _hand_out(self) -> int:
        """Claim as much as there are free threads and hand it out; return how many."""
        slots = self._acquire_slots()
        if not slots:
            return 0
        claims: list[Claim] = []
        count = 0
        # Counted from before the claim, so that it is never later than the lease's own end.
        send_before = time.monotonic() + self._lease.total_seconds()
        try:
            with write_transaction(self._database) as connection:
                claimed = claim_due(connection, slots, utc_now(), self._lease)
            count = len(claimed)
            claims = self._load(dict(claimed), send_before) if claimed else []
        finally:
            if unused := slots - len(claims):
                self._free.release(unused)
        for claim in claims:
            self._submit(claim)
        return count

    def _submit(self, claim: Claim) -> None:
        """Give the claim to a thread; if there can be none, let it go until its lease ends."""
        with self._held_lock:
            self._held[claim.delivery_id] = claim
        try:
            self._pool.submit(self._attempt, claim)
        except RuntimeError as error:
            log.error("no thread for an attempt", error=str(error))
            self._let_go([claim])
            self._free.release()

    def _acquire_slots(self) -> int:
        """Wait for a free thread, take all that are free; return how many, zero when stopping."""
        while not self._free.acquire(timeout=0.2):
            if self.is_stopping:
                return 0
        slots = 1
        while self._free.acquire(blocking=False):
            slots += 1
        return slots

    def _load(self, claimed: dict[str, int], send_before: float) -> list[Claim]:
        """Return what is to be sent; end what is not: too old, or its hook is gone or inactive."""
        with self._database.connect() as connection:
            claims, unreadable = load_claims(connection, claimed, send_before)
        now = utc_now()
        old = {claim.delivery_id for claim in claims if is_too_old(claim.created_at, now)}
        orphans = claimed.keys() - {claim.delivery_id for claim in claims} - unreadable
        if old or orphans:
            with write_transaction(self._database) as connection:
                for ids, state, error in (
                    (old, DeliveryState.FAILED, GIVEN_UP),
                    (orphans, DeliveryState.CANCELLED, ""),
                ):
                    fences = {delivery_id: claimed[delivery_id] for delivery_id in ids}
                    finish_unsent(connection, fences, state, now, error)
        return [claim for claim in claims if claim.delivery_id not in old]

    def _let_go(self, claims: Iterable[Claim]) -> None:
        """Hold these no longer; their leases are not renewed any more."""
        with self._held_lock:
            for claim in claims:
                # By now this worker may have claimed the same delivery anew.
                if self._held.get(claim.delivery_id) is claim:
                    del self._held[claim.delivery_id]

    def _attempt(self, claim: Claim) -> None:
        try:
            if time.monotonic() >= claim.send_before:
                # This process was held up; another worker may have it by now.
                self._let_go([claim])
                return
            answer = self._transport.send(claim.request)
            interrupted = self._closed.is_set() and not answer.is_success
            self._outcomes.put(Outcome(claim, answer, interrupted))
        except Exception as error:  # a thread that ended would hold the claim for ever
            log.error("an attempt broke off", delivery=claim.delivery_id, exc_info=error)
            self._let_go([claim])
        finally:
            self._free.release()

    def _record_outcomes(self) -> None:
        while (first := self._outcomes.get()) is not None:
            batch, is_last = self._gather(first)
            self._record(batch)
            if is_last:
                return

    def _gather(self, first: Outcome) -> tuple[list[Outcome], bool]:
        """Return all outcomes that have come by now, and whether the end has come too."""
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                outcome = self._outcomes.get_nowait()
            except queue.Empty:
                break
            if outcome is None:
                return batch, True
            batch.append(outcome)
        return batch, False

    def _record(self, batch: list[Outcome]) -> None:
        """Write the batch, again and again until the database takes it."""
        while not self._is_recorded(batch):
            if self._closed.wait(DATABASE_PAUSE_SECONDS):
                # The leases end by themselves, and the attempts are made again.
                break
        self._let_go(outcome.claim for outcome in batch)

    def _is_recorded(self, batch: list[Outcome]) -> bool:
        """Write the batch; return False if the database was silent and it may be tried again."""
        try:
            with write_transaction(self._database) as connection:
                record(connection, batch, utc_now())
        except Exception as error:  # one bad outcome must not hold up the others
            if _may_pass(error):
                log.error("outcomes not recorded yet", count=len(batch), error=str(error))
                return False
            if len(batch) == 1:
                log.error("an outcome cannot be recorded", exc_info=error)
                return True
            for outcome in batch:
                self._record([outcome])
        return True

    def _poll(self) -> None:
        """Look for due deliveries by ourselves, for what no wake has told us of."""
        while not self._closed.wait(self._settings.poll_seconds):
            if self.is_stopping:
                return
            try:
                with self._database.connect() as connection:
                    is_due = has_due(connection, utc_now())
                if is_due:
                    self.drain()
            except SQLAlchemyError as error:
                log.error("the database does not answer", error=str(error))
            except Exception as error:  # without this thread nothing would be found
                log.error("looking for due deliveries failed", exc_info=error)

    def _renew(self) -> None:
        while not self._closed.wait(self._settings.lease_seconds * RENEW_AFTER_SHARE):
            with self._held_lock:
                claims = list(self._held.values())
            if not claims:
                continue
            try:
                with write_transaction(self._database) as connection:
                    renew_leases(connection, claims, utc_now(), self._lease)
            except Exception as error:  # noqa: BLE001  # without this thread all leases would end
                log.error("leases not renewed", count=len(claims), error=str(error))


def _may_pass(error: Exception) -> bool:
    """Return whether the database's state is the reason, and not what it was to store."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, DBAPIError | PoolTimeoutError)
