"""Which deliveries are born claimed and handed over, and what becomes of the others."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Origin, Pbx, utc_now
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.lease import HANDOVER_LEASE
from callevents.enums import DeliveryState
from callevents.extensions import app_state, db
from callevents.hooks import hooks
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report
from callevents.jobs.handover import KEY, MAX_ENTRIES
from callevents.jobs.rq_queue import QUEUE
from callevents.jobs.waker import get_waker
from tests.conftest import Configure
from tests.ingest.accepting import DIAL_IN, report
from tests.ingest.test_group_commit import sender_of
from tests.support.database_faults import refused_inserts
from tests.support.hand_over_list import read_list
from tests.support.log_capture import Logged
from tests.support.waiting import wait_until

PENDING, FAILED = DeliveryState.PENDING, DeliveryState.FAILED
URL = "http://127.0.0.1:9/"
SECOND = timedelta(seconds=1)
QUEUE_KEY = f"rq:queue:{QUEUE}"


class Web:
    """A web server: it stores reports, and hands over after the response."""

    def __init__(self, app: Flask, pbx: Pbx, redis: Redis, settings: Settings) -> None:
        self.group_commit = app_state(app).get(GroupCommit)
        self._sender = sender_of(pbx)
        self._redis, self._settings = redis, settings

    def store(self, *reports: Report) -> None:
        """Store the reports of a request, and hand over."""
        self.group_commit.submit(*self._sender, reports)
        self.group_commit.wake_workers()

    def read_list(self) -> dict[str, int]:
        """Return what was handed over."""
        return read_list(self._redis, self._settings)


@pytest.fixture
def hook(configure: Configure) -> Hook:
    """A hook for dial-in of all extensions."""
    return configure.hook("*", DIAL_IN, URL)


@pytest.fixture
def web(app: Flask, pbx: Pbx, hook: Hook, redis: Redis, settings: Settings) -> Web:
    """A web server that knows that Redis answers."""
    get_waker(app).wake()
    return Web(app, pbx, redis, settings)


def read_deliveries() -> list[Delivery]:
    """Return the deliveries as stored now, in the order of their events."""
    db.session.rollback()
    order = (Delivery.happened_at, Delivery.id)
    return list(db.session.scalars(select(Delivery).order_by(*order)))


def check_claimed(web: Web, *deliveries: Delivery) -> None:
    """Check that these are claimed, under a short lease, and that these are in the list."""
    for delivery in deliveries:
        assert (delivery.state, delivery.deferred) == (PENDING, False)
        assert delivery.claimed_at is not None
        assert delivery.due_at - delivery.claimed_at == HANDOVER_LEASE
    assert web.read_list() == {delivery.id: 1 for delivery in deliveries}
    assert {delivery.fence for delivery in deliveries} == {1}


def check_due(*deliveries: Delivery, fence: int = 0) -> None:
    """Check that these are due at once, for whoever comes first."""
    for delivery in deliveries:
        assert (delivery.state, delivery.deferred) == (PENDING, False)
        assert (delivery.claimed_at, delivery.fence) == (None, fence)
        assert delivery.due_at <= utc_now()


def check_deferred(*deliveries: Delivery) -> None:
    """Check that these wait for others."""
    for delivery in deliveries:
        assert (delivery.state, delivery.deferred) == (PENDING, True)
        assert (delivery.claimed_at, delivery.fence) == (None, 0)


def at(seconds: int) -> datetime:
    """Return a time shortly ago."""
    return (utc_now() - 60 * SECOND + seconds * SECOND).replace(microsecond=0)


def test_born_claimed(web: Web, redis: Redis) -> None:
    """Deliveries that nothing stands against are claimed and handed over, all of a request."""
    web.store(report(call_id="c1"), report(call_id="c2"), report(call_id="c3"))
    check_claimed(web, *read_deliveries())
    assert len(read_deliveries()) == 3
    assert redis.llen(KEY) == redis.llen(QUEUE_KEY) == 1


def test_each_hook(web: Web, configure: Configure) -> None:
    """Each hook's delivery is claimed, also two of one call to one origin: the second waits."""
    configure.hook("*", DIAL_IN, "http://127.0.0.2:9/")
    configure.hook("*", DIAL_IN, URL + "second")
    web.store(report(call_id="c1"))
    here, there, second = sorted(read_deliveries(), key=lambda one: one.hook_id or 0)
    check_claimed(web, here, there)
    check_deferred(second)


def test_not_before_redis_has_answered(
    app: Flask, pbx: Pbx, hook: Hook, redis: Redis, settings: Settings
) -> None:
    """A web server that has just started leaves the first ones to SQL."""
    web = Web(app, pbx, redis, settings)
    web.store(report(call_id="c1"))
    check_due(*read_deliveries())
    assert web.read_list() == {}
    assert redis.llen(QUEUE_KEY) == 1
    web.store(report(call_id="c2"))
    check_claimed(web, read_deliveries()[1])


def test_disabled(web: Web, hook: Hook) -> None:
    """A disabled hook has no deliveries."""
    begin_write()
    hooks.set_active(db.session.get_one(Hook, hook.id), active=False)
    db.session.commit()
    web.store(report(call_id="c1"))
    assert read_deliveries() == []
    assert web.read_list() == {}


def test_suspended(web: Web) -> None:
    """Deliveries of a suspended hook have failed already."""
    with write_transaction(db.engine) as connection:
        connection.execute(update(Hook).values(suspended_at=utc_now()))
    web.store(report(call_id="c1"))
    [delivery] = read_deliveries()
    assert (delivery.state, delivery.error, delivery.claimed_at) == (FAILED, SUSPENDED_ERROR, None)
    assert web.read_list() == {}


def test_open_breaker(web: Web, configure: Configure) -> None:
    """Deliveries to an origin whose circuit is open are left to the dispatcher, which probes."""
    configure.hook("*", DIAL_IN, "http://127.0.0.2:9/")
    with write_transaction(db.engine) as connection:
        unreachable = update(Origin).where(Origin.name.contains("127.0.0.1"))
        connection.execute(unreachable.values(opened_at=utc_now(), probe_at=utc_now()))
    web.store(report(call_id="c1"))
    bad, good = sorted(read_deliveries(), key=lambda one: one.hook_id or 0)
    check_due(bad)
    check_claimed(web, good)


def test_next_of_a_call(web: Web) -> None:
    """While the first delivery of a call is open, the next ones wait."""
    web.store(report(call_id="c1", at=at(1)))
    web.store(report(call_id="c1", at=at(2)))
    web.store(report(call_id="c1", at=at(3)))
    first, *others = read_deliveries()
    check_claimed(web, first)
    check_deferred(*others)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_batch_with_events_of_one_call(web: Web, order: tuple[int, ...]) -> None:
    """Of a request with several events of a call, that which happened first goes first."""
    web.store(*(report(call_id="c1", at=at(second)) for second in order), report(call_id="c2"))
    first, second, third, other = read_deliveries()
    check_claimed(web, first, other)
    check_deferred(second, third)


def test_event_reported_late(web: Web) -> None:
    """An event that happened before an open one does not wait for it."""
    web.store(report(call_id="c1", at=at(5)))
    web.store(report(call_id="c1", at=at(2)), report(call_id="c1", at=at(3)))
    early, middle, late = read_deliveries()
    check_claimed(web, early, late)
    check_deferred(middle)


def test_events_of_a_call_at_once_without_order(web: Web, hook: Hook) -> None:
    """A hook that does not keep the order of calls waits for nothing."""
    with write_transaction(db.engine) as connection:
        connection.execute(update(Hook).values(in_order=False))
    web.store(report(call_id="c1", at=at(1)), report(call_id="c1", at=at(2)))
    check_claimed(web, *read_deliveries())
    assert len(read_deliveries()) == 2


def test_duplicates(web: Web) -> None:
    """A repeated report hands nothing over."""
    web.store(report(call_id="c1", key="k"))
    handed_over = web.read_list()
    web.store(report(call_id="c1", key="k"))
    assert web.read_list() == handed_over
    assert len(handed_over) == 1


def test_redis_refuses(web: Web, redis: Redis, logged: Logged) -> None:
    """What could not be handed over is due at once, and nobody else has a claim on it."""
    redis.set(KEY, "something else")
    web.store(report(call_id="c1"), report(call_id="c2"))
    check_due(*read_deliveries(), fence=2)
    assert "could not wake workers" in logged.text
    redis.delete(KEY)
    web.store(report(call_id="c3"))
    check_due(*read_deliveries()[2:])
    assert len(read_deliveries()) == 3


def test_long_list(web: Web, redis: Redis) -> None:
    """While too many entries wait, new deliveries are left to SQL; then they are handed over."""
    redis.rpush(KEY, *[b"waiting"] * MAX_ENTRIES)
    web.store(report(call_id="c1"))
    assert redis.llen(KEY) == MAX_ENTRIES + 1
    for call_id in ("c2", "c3"):
        web.store(report(call_id=call_id))
    first, *others = read_deliveries()
    assert first.fence == 1
    check_due(*others)
    assert redis.llen(KEY) == MAX_ENTRIES + 1
    redis.delete(KEY)
    web.store(report(call_id="c4"))
    check_due(read_deliveries()[3])
    web.store(report(call_id="c5"))
    check_claimed(web, read_deliveries()[4])


def test_lease_begins_with_the_transaction(web: Web) -> None:
    """A transaction that waited for another writer does not hand over a lease that is old."""
    database = db.engine
    if database.dialect.name == "postgresql":
        # There it waits for nobody before it reads.
        return
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(database):
            storing = pool.submit(web.store, report(call_id="c1"))
            wait_until(lambda: web.group_commit._has_leader, "a leader")
            wait_until(lambda: not web.group_commit._queue, "a leader that has its batch")
            other_ended_at = utc_now()
        storing.result()
    [delivery] = read_deliveries()
    check_claimed(web, delivery)
    assert delivery.claimed_at is not None
    assert delivery.claimed_at >= other_ended_at


def test_nothing_of_a_failed_transaction(web: Web) -> None:
    """If the events are not stored, nothing is handed over."""
    with refused_inserts(db.engine, "delivery"), pytest.raises(DBAPIError):
        web.store(report(call_id="c1"))
    assert not web.group_commit.is_wake_due
    assert web.read_list() == {}
