"""The engine of one worker process: claims due deliveries, makes the attempts, records outcomes.

The dispatcher claims as much as there are free threads, and hands it out; it does not wait for the
attempts to end, so a slow receiver never delays the others. Threads put outcomes into a queue, from
which the recorder writes them in batches: one commit for all that have come while the last one was
written.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from callevents.config import Settings
from callevents.delivery.claim import (
    Claim,
    Claimed,
    claim_due,
    find_suspended,
    finish_unsent,
    load_claims,
    renew_leases,
)
from callevents.delivery.expiry import GIVEN_UP, give_up_expired, has_expired
from callevents.delivery.health import find_changed, note_health
from callevents.delivery.record import Outcome, answers_by, record
from callevents.delivery.schedule import (
    RETRIES_FIRST_EVERY,
    Ready,
    Share,
    find_breakers,
    find_ready,
    share_out,
)
from callevents.delivery.transport import Transport
from callevents.enums import DeliveryState
from callevents.extensions import write_transaction
from callevents.ingest import SUSPENDED
from callevents.models import utc_now

MAX_BATCH = 500
#: Leases are renewed when this share of their time has passed.
RENEW_AFTER_SHARE = 1 / 3
DATABASE_PAUSE_SECONDS = 0.5
#: While there is work, the dispatcher looks again after this, however many wakes come meanwhile:
#: each look costs a transaction, so under load it is better to find a few deliveries at once.
LOOK_AGAIN_SECONDS = 0.005
#: It goes on like that until it has found nothing for so long.
LINGER_SECONDS = 0.1
#: A job that woke the dispatcher lasts while there is work, but not longer than this.
LONGEST_JOB_SECONDS = 1.0

log = structlog.get_logger("callevents.delivery")


class Engine:
    """Delivers what is due. Safe to use from many threads; close it to stop."""

    def __init__(self, database: SqlEngine, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._transport = Transport(settings)
        self._pool = ThreadPoolExecutor(settings.worker_threads, "attempt")
        #: Attempts that are running, by their origin's id.
        self._in_flight: Counter[int] = Counter()
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._held: dict[str, Claim] = {}
        #: Guards the last three.
        self._lock = threading.Lock()
        self._draining = threading.Lock()
        self._looks = 0
        #: Whether the last look left something due for want of threads.
        self._is_starved = False
        self._wake = threading.Event()
        self._idle = threading.Event()
        #: A plain flag and no Event, whose lock a signal handler could find taken.
        self.is_stopping = False
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._record_outcomes, name="record", daemon=True),
            threading.Thread(target=self._dispatch, name="dispatch", daemon=True),
            threading.Thread(target=self._renew, name="renew", daemon=True),
        ]

    def start(self) -> None:
        """Start to look for due deliveries, to record outcomes and to renew leases."""
        for thread in self._threads:
            thread.start()

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
        """Stop: wait for running attempts for a while, end the others, record all outcomes."""
        self.request_stop()
        with self._draining:
            pass  # What has been claimed already is handed out before the pool is shut down.
        give_up_at = time.monotonic() + self._settings.shutdown_seconds
        while self._held and time.monotonic() < give_up_at:
            self._closed.wait(0.02)
        self._closed.set()
        self._wake.set()
        self._idle.set()
        self._transport.interrupt()
        self._pool.shutdown(wait=True)
        self._outcomes.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._transport.close()

    def _dispatch(self) -> None:
        """Look for due deliveries: when woken, while there is work, and now and then by itself."""
        busy_until = expire_at = 0.0
        while not self.is_stopping:
            self._pause(busy_until)
            try:
                if self._hand_out().looked_at or self._is_starved:
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
            self._closed.wait(LOOK_AGAIN_SECONDS)
        else:
            self._idle.set()
            self._wake.wait(self._settings.poll_seconds)
            self._wake.clear()

    def _wait_for_threads(self) -> None:
        """Wait until a good part of the threads is free, or a moment has passed."""
        until = time.monotonic() + 2 * LOOK_AGAIN_SECONDS
        enough = max(1, self._settings.worker_threads // 4)
        while not self.is_stopping and time.monotonic() < until:
            self._closed.wait(LOOK_AGAIN_SECONDS)
            if self._count_free() >= enough:
                break

    def _count_free(self) -> int:
        with self._lock:
            return self._settings.worker_threads - self._in_flight.total()

    def _hand_out(self) -> Claimed:
        """Claim what there are threads for and hand it out; return what was found."""
        with self._draining:
            nothing = Claimed({}, 0)
            self._is_starved = False
            if self.is_stopping:
                return nothing
            # Counted from before the claim, so that it is never later than the lease's own end.
            send_before = time.monotonic() + self._lease.total_seconds()
            now = utc_now()
            with self._database.connect() as connection:
                shares = self._share_out(connection, now)
            if not shares:
                return nothing
            with write_transaction(self._database) as connection:
                found = claim_due(connection, shares, now, self._lease)
            for claim in self._load(found.fences, send_before) if found.fences else ():
                self._submit(claim)
            return found

    def _share_out(self, connection: Connection, now: datetime) -> list[Share]:
        """Return what may be claimed now, and note whether threads are wanting."""
        ready = find_ready(connection, now)
        breakers = find_breakers(connection) if ready else {}
        well = [one for one in ready if one.origin_id not in breakers]
        self._looks += 1
        with self._lock:
            in_flight = dict(self._in_flight)
        free = self._settings.worker_threads - sum(in_flight.values())
        shares = share_out(
            well,
            free,
            in_flight,
            self._settings.origin_in_flight,
            retries_first=self._looks % RETRIES_FIRST_EVERY == 0,
        )
        free -= sum(share.limit for share in shares)
        self._is_starved = len(shares) < len(well)
        return shares + _probes(ready, breakers, now)[: max(0, free)]

    def _submit(self, claim: Claim) -> None:
        """Give the claim to a thread; if there can be none, let it go until its lease ends."""
        with self._lock:
            self._held[claim.delivery_id] = claim
            self._in_flight[claim.origin_id] += 1
        try:
            self._pool.submit(self._attempt, claim)
        except RuntimeError as error:
            log.error("no thread for an attempt", error=str(error))
            self._let_go([claim])
            self._land(claim)

    def _load(self, claimed: dict[str, int], send_before: float) -> list[Claim]:
        """Return what is to be sent; end what is not: too old, or its hook is not active."""
        with self._database.connect() as connection:
            claims, unreadable = load_claims(connection, claimed, send_before)
        now = utc_now()
        old = {claim.delivery_id for claim in claims if claim.expires_at < now}
        orphans = claimed.keys() - {claim.delivery_id for claim in claims} - unreadable
        if old or orphans:
            with write_transaction(self._database) as connection:
                self._end_unsent(connection, claimed, old, orphans)
        return [claim for claim in claims if claim.delivery_id not in old]

    def _end_unsent(
        self, connection: Connection, claimed: dict[str, int], old: set[str], orphans: set[str]
    ) -> None:
        suspended = find_suspended(connection, orphans)
        for ids, state, error in (
            (old, DeliveryState.FAILED, GIVEN_UP),
            (suspended, DeliveryState.FAILED, SUSPENDED),
            (orphans - suspended, DeliveryState.CANCELLED, ""),
        ):
            fences = {delivery_id: claimed[delivery_id] for delivery_id in ids}
            if fences:
                finish_unsent(connection, fences, state, utc_now(), error)

    def _give_up_expired(self) -> None:
        while not self.is_stopping:
            with self._database.connect() as connection:
                if not has_expired(connection, utc_now()):
                    return
            with write_transaction(self._database) as connection:
                if not give_up_expired(connection, utc_now()):
                    return

    def _land(self, claim: Claim) -> None:
        """Note that the claim's thread is free again."""
        with self._lock:
            self._in_flight[claim.origin_id] -= 1
            if not self._in_flight[claim.origin_id]:
                del self._in_flight[claim.origin_id]

    def _let_go(self, claims: Iterable[Claim]) -> None:
        """Hold these no longer; their leases are not renewed any more."""
        with self._lock:
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
            self._land(claim)

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
                record(connection, batch, utc_now(), self._settings)
            self._note_health(batch)
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

    def _note_health(self, batch: list[Outcome]) -> None:
        """Note how the hooks fare; nearly always there is nothing to write."""
        answers = answers_by(lambda claim: claim.hook_id, batch)
        with self._database.connect() as connection:
            changed = find_changed(connection, answers)
        if changed:
            with write_transaction(self._database) as connection:
                note_health(connection, changed, utc_now(), self._settings)

    def _renew(self) -> None:
        while not self._closed.wait(self._settings.lease_seconds * RENEW_AFTER_SHARE):
            with self._lock:
                claims = list(self._held.values())
            if not claims:
                continue
            try:
                with write_transaction(self._database) as connection:
                    renew_leases(connection, claims, utc_now(), self._lease)
            except Exception as error:  # noqa: BLE001  # without this thread all leases would end
                log.error("leases not renewed", count=len(claims), error=str(error))


def _probes(ready: Iterable[Ready], breakers: Mapping[int, datetime], now: datetime) -> list[Share]:
    """Return a share for one delivery of each origin whose pause is over."""
    due = {one.origin_id: one for one in ready if one.origin_id in breakers}
    return [
        Share(one, 1, probe_at=breakers[origin_id])
        for origin_id, one in due.items()
        if breakers[origin_id] <= now
    ]


def _may_pass(error: Exception) -> bool:
    """Return whether the database's state is the reason, and not what it was to store."""
    if isinstance(error, DataError | IntegrityError):
        return False
    return isinstance(error, DBAPIError | PoolTimeoutError)
