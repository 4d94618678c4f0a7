"""Faults between the hand-over of deliveries and their pick-up by a worker."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import psutil
import requests
from redis import Redis
from redis.exceptions import RedisError

from callevents.delivery.lease import HANDOVER_LEASE
from callevents.jobs.handover import KEY, MAX_ENTRIES
from tests.faults.forger import Forger
from tests.faults.monitor import Monitor
from tests.faults.outbox import Outbox
from tests.support.commands import Commands
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

WORKERS = 2
#: Workers are suspended until something is handed over, but not for longer than this.
SUSPENDED_SECONDS = 2.0
#: After this time leases may have ended.
LONG_SECONDS = 2.5
TRIES = 20
#: From the hand-over until the worker is stopped, at most.
IN_HAND_SECONDS = 0.01
FORGE_SECONDS = 2.0
READY_SECONDS = 60.0
#: Web servers that have not seen yet how long the list is append so many more at most.
MARGIN = 16
REPORT_TIMEOUT_SECONDS = 5.0

Fault = Callable[[], set[str]]
Click = Callable[[str, str], None]


class Target(Protocol):
    """What the faults need of a system."""

    addresses: list[str]
    commands: Commands
    token: str
    outbox: Outbox

    def find(self, kind: str) -> Sequence[psutil.Process]: ...


class HandOver:
    """Faults of the hand-over. `complaints` has what went wrong beside the receivers of a loop."""

    def __init__(self, system: Target) -> None:
        self.complaints: list[str] = []
        self._system = system
        self._dice = random.Random(1)
        self._extensions = 0
        self._excused: set[str] = set()
        self.faults: dict[str, Fault] = {
            "flush Valkey at a hand-over": self._flush,
            "kill a worker at a hand-over": self._kill,
            "freeze a worker at a hand-over": self._freeze,
            "forge and replay hand-overs": self._forge,
            "switch off before the pick-up": self._switch_off,
            "hand over more than the bound": self._overfill,
        }

    def _flush(self) -> set[str]:
        """Empty Valkey while an entry waits in it, and a few times more."""
        with self._connect() as redis:
            with self._at_hand_over(redis, spared=0):
                redis.flushall()
            for _ in range(5):
                time.sleep(self._dice.uniform(0, 0.1))
                redis.flushall()
        return self._take_excused()

    def _kill(self) -> set[str]:
        """Kill the worker that has just taken an entry."""
        with self._connect() as redis, self._at_hand_over(redis, spared=1) as worker:
            claimed = self._system.outbox.find_claimed()
            time.sleep(self._dice.uniform(0, IN_HAND_SECONDS))
            worker.kill()
            psutil.wait_procs([worker], timeout=READY_SECONDS)
            return claimed | self._system.outbox.find_claimed()

    def _freeze(self) -> set[str]:
        """Suspend the worker that has just taken an entry until after the lease of the entry.

        Another one has sent its deliveries when it resumes.
        """
        for _ in range(TRIES):
            with self._connect() as redis, self._at_hand_over(redis, spared=1) as worker:
                time.sleep(self._dice.uniform(0, IN_HAND_SECONDS))
                suspend(worker)
                claimed = self._system.outbox.find_claimed()
            if self._system.outbox.is_writable():
                break
            worker.resume()
        time.sleep(HANDOVER_LEASE.total_seconds() + 1)
        worker.resume()
        return claimed

    def _forge(self) -> set[str]:
        """Copy entries, and add others; those that are not ours must all be counted."""
        outbox = self._system.outbox
        before = outbox.count_foreign()
        with self._connect() as redis:
            forger = Forger(redis, self._dice)
            claimed = outbox.find_claimed() | forger.run(FORGE_SECONDS)
        try:
            wait_until(lambda: outbox.count_foreign() == before + forger.forged, "", READY_SECONDS)
        except AssertionError:
            counted = outbox.count_foreign() - before
            self.complaints.append(f"{forger.forged} entries were forged, {counted} counted")
        return claimed

    def _switch_off(self) -> set[str]:
        """Disable, clear and suspend hooks of which a delivery was handed over a moment before."""
        with contextlib.closing(Receiver()) as receiver:
            clicks = (self._disable, self._clear, self._suspend)
            clicked = {self._click_before_pick_up(receiver.url, click) for click in clicks}
            # What was handed over earlier has been picked up when this has arrived.
            extension, _ = self._add_hook(f"{receiver.url}/last")
            wait_until(lambda: self._report(extension, "last"), "a last report", READY_SECONDS)
            self._wait_for_end(f"{receiver.url}/last")
            if sent := [one.path for one in receiver.arrivals if one.path in clicked]:
                self.complaints.append(f"sent after the click: {sent}")
        return self._take_excused()

    def _click_before_pick_up(self, url: str, click: Click) -> str:
        """Return the path of the hook that was switched off."""
        for number in range(TRIES):
            path = f"/{click.__name__}-{number}"
            extension, event_id = self._add_hook(url + path)
            with self._suspended(self._find_workers()):
                if not self._report(extension, "c"):
                    continue
                click(extension, event_id)
            states = self._system.outbox.count_states(url + path)
            # A removal may end for good meanwhile.
            if not states or states.keys() - {"held", "cancelled", "failed"}:
                self.complaints.append(f"after {click.__name__} before the pick-up: {states}")
            return path
        raise AssertionError("no report was accepted")

    def _disable(self, _extension: str, event_id: str) -> None:
        self._system.commands.run("hooks", "disable", event_id)

    def _clear(self, extension: str, _event_id: str) -> None:
        self._system.commands.run("hooks", "clear", "faults", extension)

    def _suspend(self, _extension: str, event_id: str) -> None:
        self._system.outbox.suspend(event_id)

    def _overfill(self) -> set[str]:
        """Hand over more than the list may hold while no worker runs."""
        with (
            contextlib.closing(Receiver()) as receiver,
            self._connect() as redis,
        ):
            extension, _ = self._add_hook(receiver.url)
            with self._suspended(self._find_workers()):
                count, more, give_up_at = 0, 2 * MARGIN, time.monotonic() + READY_SECONDS
                while more and time.monotonic() < give_up_at:
                    count += self._report(extension, f"{count}")
                    more -= redis.llen(KEY) > MAX_ENTRIES
                length = redis.llen(KEY)
            if not MAX_ENTRIES < length <= MAX_ENTRIES + MARGIN:
                self.complaints.append(f"the list had {length} entries")
            self._wait_for_end(receiver.url)
            arrived = Counter(one.parameters["DeliveryID"] for one in receiver.arrivals)
            if len(arrived) != count or arrived.total() != count:
                self.complaints.append(
                    f"{arrived.total()} requests of {len(arrived)} deliveries, not of {count}"
                )
        return self._take_excused()

    @contextmanager
    def _at_hand_over(self, redis: Redis, *, spared: int) -> Iterator[psutil.Process]:
        """Suspend all but so many workers; yield the first worker when something is handed over."""
        for _ in range(TRIES):
            workers = self._find_workers()
            with self._suspended(workers[spared:]), Monitor(redis) as monitor:
                if monitor.read(SUSPENDED_SECONDS):
                    yield workers[0]
                    return
        raise AssertionError("nothing was handed over")

    @contextmanager
    def _suspended(self, workers: Sequence[psutil.Process]) -> Iterator[None]:
        """Suspend the workers, at a moment at which none of them locks the database."""
        try:
            for worker in workers:
                suspend(worker)
            while not self._system.outbox.is_writable():
                for worker in workers:
                    worker.resume()
                time.sleep(self._dice.uniform(0, 0.1))
                for worker in workers:
                    suspend(worker)
            began, claimed = time.monotonic(), self._system.outbox.find_claimed()
            yield
            if time.monotonic() - began > LONG_SECONDS:
                self._excused |= claimed
        finally:
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.resume()

    def _take_excused(self) -> set[str]:
        """Return what was in flight at suspensions that were longer than they should be."""
        excused, self._excused = self._excused, set()
        return excused

    def _find_workers(self) -> list[psutil.Process]:
        """Return the workers, that which has run longest first."""
        wait_until(lambda: len(self._system.find("worker")) >= WORKERS, "workers", READY_SECONDS)
        return sorted(self._system.find("worker"), key=lambda worker: worker.create_time())

    @contextmanager
    def _connect(self) -> Iterator[Redis]:
        with Redis.from_url(self._system.commands.settings.queue_url) as redis:
            wait_until(lambda: self._is_connected(redis), "Valkey", READY_SECONDS)
            yield redis

    def _is_connected(self, redis: Redis) -> bool:
        try:
            return bool(redis.ping())
        except RedisError:
            return False

    def _add_hook(self, url: str) -> tuple[str, str]:
        """Add an extension with a hook for dial-in; return its number and the Event ID."""
        self._extensions += 1
        extension = f"hand-over-{self._extensions}"
        commands = self._system.commands
        commands.run("extensions", "add", "faults", extension)
        hook = commands.run(
            *("hooks", "set", "faults", extension, "dial-in", "--method", "POST", "--url", url)
        )
        return extension, hook["event_id"]

    def _report(self, extension: str, call: str) -> bool:
        """Report a dial-in; return True if it was stored as a new event."""
        fields = {"event": "dial-in", "ext": extension, "call": f"{extension}-{call}"}
        fields |= {"peer": "0612", "token": self._system.token}
        address = self._dice.choice(self._system.addresses)
        with contextlib.suppress(requests.RequestException):
            answer = requests.post(
                f"{address}/ingest/faults", data=fields, timeout=REPORT_TIMEOUT_SECONDS
            )
            return answer.status_code == 202
        return False

    def _wait_for_end(self, url: str) -> None:
        outbox = self._system.outbox
        try:
            wait_until(lambda: not outbox.count_open(url), "", READY_SECONDS)
        except AssertionError:
            self.complaints.append(f"{outbox.count_open(url)} deliveries to {url} still wait")


def suspend(worker: psutil.Process) -> None:
    """Suspend the process; return when all its threads have stopped."""
    worker.suspend()
    stopped = {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    wait_until(lambda: worker.status() in stopped, "a suspended worker", READY_SECONDS)
