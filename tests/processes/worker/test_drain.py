"""The drain job: what was handed over is sent, and nothing else that stands in the list."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from random import Random

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import update

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.session import write_transaction
from callevents.delivery import outbox
from callevents.delivery.engine import Engine
from callevents.delivery.lease import HANDOVER_SECONDS, MAX_SKEW_SECONDS
from callevents.delivery.log.queries import get_delivery
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest import accept as ingest_accept
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report
from callevents.jobs.handover import KEY, Entry, EntryFormat
from callevents.jobs.rq_queue import QUEUE
from callevents.jobs.waker import get_waker
from callevents.processes.worker.drain import Drain
from callevents.processes.worker.foreign_jobs import ForeignJobs
from callevents.security.encryption import make_key
from tests.conftest import Configure
from tests.ingest.test_group_commit import sender_of
from tests.support.born_claimed import report_claimed
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_for_state, wait_until

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
AGE, SKEW = HANDOVER_SECONDS * SECOND, MAX_SKEW_SECONDS * SECOND
LATE = "handed over too long ago"
QUEUE_KEY = f"rq:queue:{QUEUE}"
EVENTS = (EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP)
CALLS = 30
CALLERS = 6


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with which workers do not poll during the test."""
    return settings.model_copy(update={"poll_seconds": 3600})


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of all extensions."""
    return configure.hook("*", EventType.DIAL_IN, receiver.url)


@pytest.fixture
def foreign() -> ForeignJobs:
    """The count of foreign entries."""
    return ForeignJobs()


@pytest.fixture
def drain(engine: Engine, redis: Redis, settings: Settings, foreign: ForeignJobs) -> Drain:
    """The drain job of a running engine."""
    engine.start()
    return Drain(engine, redis, settings, foreign)


class List:
    """The hand-over list, as a web server writes to it."""

    def __init__(self, pbx: Pbx, redis: Redis, settings: Settings) -> None:
        self._pbx, self._redis, self._format = pbx, redis, EntryFormat(settings)

    def __len__(self) -> int:
        return int(self._redis.llen(KEY))

    def hand_over(self, count: int = 1, claimed_at: datetime | None = None) -> list[str]:
        """Store events whose deliveries were claimed at that time; return the delivery ids."""
        entry = report_claimed(self._pbx, count, claimed_at=claimed_at)
        self.push(*self.write(entry))
        return list(entry.fences)

    def write(self, entry: Entry) -> list[bytes]:
        """Return what a web server would append."""
        return list(self._format.write(entry))

    def push(self, *texts: bytes) -> None:
        """Append to the list."""
        self._redis.rpush(KEY, *texts)


@pytest.fixture
def entries(hook: Hook, pbx: Pbx, redis: Redis, settings: Settings) -> List:
    """The hand-over list."""
    return List(pbx, redis, settings)


def test_handed_over(entries: List, drain: Drain, receiver: Receiver) -> None:
    """All entries are sent under the claims with which they came, and the job ends."""
    ids = entries.hand_over() + entries.hand_over(3)
    drain.run()
    for delivery_id in ids:
        delivery = wait_for_state(delivery_id, DELIVERED)
        assert (delivery.fence, delivery.attempts) == (1, 1)
    assert len(receiver.arrivals) == 4
    assert not len(entries)


@pytest.mark.parametrize("age", [AGE + SECOND / 2, -SKEW - SECOND / 2], ids=["late", "early"])
def test_late_entry(
    age: timedelta,
    entries: List,
    drain: Drain,
    receiver: Receiver,
    logged: Logged,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An entry that waited for too long, or has a time of the future, is sent by SQL."""
    now = utc_now()
    monkeypatch.setattr("callevents.processes.worker.drain.utc_now", lambda: now)
    [delivery_id] = entries.hand_over(claimed_at=now - age)
    drain.run()
    assert logged.text.count(LATE) == 1
    assert (get_delivery(delivery_id).state, get_delivery(delivery_id).fence) == (PENDING, 1)
    assert receiver.arrivals == []
    with write_transaction(db.engine) as connection:
        # The lease ends.
        connection.execute(update(Delivery).values(due_at=utc_now()))
    drain.run()
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert (delivery.fence, delivery.attempts) == (2, 1)


def test_late_entries_are_logged_rarely(entries: List, drain: Drain, logged: Logged) -> None:
    """Many late entries make one line."""
    for _ in range(3):
        entries.hand_over(2, utc_now() - 2 * AGE)
    drain.run()
    assert not len(entries)
    assert logged.text.count(LATE) == 1


@pytest.mark.parametrize("skew", [SKEW, -SKEW + SECOND / 2], ids=["ahead", "behind"])
def test_clocks_may_differ(skew: timedelta, entries: List, drain: Drain) -> None:
    """The web server's clock differs from ours by nearly two seconds."""
    [delivery_id] = entries.hand_over(claimed_at=utc_now() - skew)
    drain.run()
    assert wait_for_state(delivery_id, DELIVERED).fence == 1


def test_foreign_entries(
    entries: List,
    drain: Drain,
    foreign: ForeignJobs,
    receiver: Receiver,
    settings: Settings,
    pbx: Pbx,
    logged: Logged,
) -> None:
    """What is not ours is dropped and counted, also between ours, and nothing of it is sent."""
    other = EntryFormat(Settings(data_dir=settings.data_dir, encryption_keys=(make_key(),)))
    entry = report_claimed(pbx)
    [whole] = entries.write(entry)
    forged = [b"", b"garbage", whole[:-1], whole[16:], *other.write(entry)]
    entries.push(*forged)
    [delivery_id] = entries.hand_over()
    entries.push(whole[::-1], b"x" * 100_000)
    drain.run()
    wait_for_state(delivery_id, DELIVERED)
    assert foreign.count == len(forged) + 2
    assert logged.text.count("dropped a job that is not ours") == 1
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [delivery_id]
    assert not len(entries)


def test_replayed_entries(
    entries: List, drain: Drain, receiver: Receiver, engine: Engine, pbx: Pbx
) -> None:
    """Copies of an entry change nothing, before the end of its delivery and after."""
    entry = report_claimed(pbx)
    entries.push(*entries.write(entry) * 5)
    drain.run()
    [delivery_id] = entry.fences
    wait_for_state(delivery_id, DELIVERED)
    wait_until(lambda: not engine._in_flight, "the end of the claim")
    entries.push(*entries.write(entry) * 5)
    drain.run()
    engine.close()
    assert len(receiver.arrivals) == get_delivery(delivery_id).attempts == 1


def test_entries_left_over(entries: List, drain: Drain, engine: Engine, redis: Redis) -> None:
    """A job that ends before the list is empty leaves another one, for another worker."""
    entries.hand_over(1)
    entries.hand_over(1)
    engine.request_stop()
    drain.run()
    assert len(entries) == 2
    assert redis.llen(QUEUE_KEY) == 1
    drain.run()
    assert redis.llen(QUEUE_KEY) == 1, "one is enough"


class Workers:
    """Engines whose drain jobs run one after the other until they are closed."""

    def __init__(self, redis: Redis, settings: Settings, count: int) -> None:
        self._stop = threading.Event()
        self._engines = [Engine(db.engine, settings) for _ in range(count)]
        drains = [Drain(engine, redis, settings, ForeignJobs()) for engine in self._engines]
        self._threads = [threading.Thread(target=self._run, args=(drain,)) for drain in drains]
        for engine in self._engines:
            engine.start()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for engine in self._engines:
            engine.close()

    def _run(self, drain: Drain) -> None:
        while not self._stop.is_set():
            drain.run()


@pytest.fixture
def workers(app: Flask, redis: Redis, settings: Settings) -> Iterator[Workers]:
    """Two workers with leases that last for the whole test."""
    workers = Workers(redis, settings.model_copy(update={"lease_seconds": 3600}), 2)
    yield workers
    workers.close()


@pytest.mark.usefixtures("workers")
def test_calls_need_no_second_look(
    app: Flask,
    pbx: Pbx,
    configure: Configure,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    """Calls of three events go through two web servers and two workers.

    What is deferred would be looked at again after an hour.
    """
    for module in (outbox, ingest_accept):
        monkeypatch.setattr(module, "DEFER_BEHIND_RUNNING", HOUR)
    for event in EVENTS:
        configure.hook("*", event, receiver.url)
    dice = Random(seed)
    receiver.reply = lambda _one: Reply(hold=lambda: time.sleep(dice.uniform(0, 0.01)))
    sender = sender_of(pbx)
    get_waker(app).wake()
    webs = [GroupCommit(app) for _ in range(2)]

    def call(number: int) -> None:
        for place, event in enumerate(EVENTS):
            web = webs[(number + place) % 2]
            web.submit(*sender, [Report(event_type=event, extension="101", call_id=str(number))])
            web.wake_workers()

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(CALLS)))
    arrivals = receiver.wait_for(CALLS * len(EVENTS))
    for number in range(CALLS):
        sent = [one.parameters for one in arrivals if one.parameters["CallID"] == str(number)]
        assert [one["EventType"] for one in sent] == [event.slug for event in EVENTS]
