"""An event that is stored at the very moment in which the one before it is recorded goes at once.

Each test forces one order of the two transactions. A deferred delivery is looked at again after an
hour in these tests, so that nothing is sent because of that.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import event, select, text, update

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.session import write_transaction
from callevents.delivery import outbox
from callevents.delivery.claim import Claim, Fences
from callevents.delivery.http.client import Response
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import EventType
from callevents.extensions import app_state, db
from callevents.ingest import accept as ingest_accept
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report
from callevents.jobs.waker import get_waker
from tests.delivery.blocking_receiver import DELIVERED
from tests.delivery.conftest import MakeEngine, ReportCall, get_delivery
from tests.ingest.test_group_commit import sender_of
from tests.support.claims import claim, load
from tests.support.database_faults import before_statement
from tests.support.hand_over_list import read_list
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state, wait_until

HOUR = timedelta(hours=1)
#: The beginnings of the statements before which the other transaction comes.
INSERT, DEFER = "INSERT INTO delivery", "UPDATE delivery SET due_at"


@pytest.fixture(autouse=True)
def _no_net(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (outbox, ingest_accept):
        monkeypatch.setattr(module, "DEFER_BEHIND_RUNNING", HOUR)


@pytest.fixture
def _waits_for_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for locks of others than a slow machine takes to release them."""
    monkeypatch.setattr(outbox, "_LOCK_TIMEOUT", text("SET LOCAL lock_timeout = 30000"))


@pytest.fixture
def first(hook: Hook, report_call: ReportCall) -> Claim:
    """The first delivery of a call, which a worker sends."""
    report_call("c1", 0)
    [sent] = load(claim())
    return sent


class Ingest:
    """Stores the second event of the call, and hands over what it may."""

    def __init__(self, app: Flask, pbx: Pbx, redis: Redis, settings: Settings) -> None:
        self._group_commit = app_state(app).get(GroupCommit)
        self._sender = sender_of(pbx)
        self._redis, self._settings = redis, settings
        get_waker(app).wake()
        assert get_waker(app).is_open

    def store(self) -> None:
        """Store the event; the PBX has its answer when this returns."""
        report = Report(event_type=EventType.DIAL_IN, extension="101", call_id="c1", at=utc_now())
        self._group_commit.submit(*self._sender, [report])

    def hand_over(self) -> dict[str, int]:
        """Do what follows the answer; return the fences of what was handed over."""
        self._group_commit.wake_workers()
        return read_list(self._redis, self._settings)


@pytest.fixture
def ingest(app: Flask, pbx: Pbx, hook: Hook, redis: Redis, settings: Settings) -> Ingest:
    """Stores the second event of the call."""
    return Ingest(app, pbx, redis, settings)


class Recorder:
    """Records the success of the first delivery, in a thread of its own."""

    def __init__(self, database: SqlEngine, settings: Settings, sent: Claim) -> None:
        self._database, self._settings, self._sent = database, settings, sent
        self._thread = ThreadPoolExecutor(1)

    def start(self, before_commit: Callable[[], None] = lambda: None) -> Future[Fences]:
        """Begin to record; the result has the fences of what was claimed."""
        return self._thread.submit(self._record, before_commit)

    def start_beside_a_transaction(self) -> Future[Fences]:
        """Begin to record; on PostgreSQL also commit. On SQLite writers take turns."""
        recording = self.start()
        if self._database.dialect.name == "postgresql":
            recording.result()
        return recording

    def close(self) -> None:
        """Wait for the thread."""
        self._thread.shutdown()

    def _record(self, before_commit: Callable[[], None]) -> Fences:
        with write_transaction(self._database) as connection:
            outcomes = [Outcome(self._sent, Response(utc_now(), 1, "", 200))]
            recorded = record(connection, outcomes, utc_now(), self._settings, claims_next=True)
            before_commit()
        return recorded.next_fences


@pytest.fixture
def recorder(settings: Settings, first: Claim) -> Iterator[Recorder]:
    """Records the success of the first delivery."""
    recorder = Recorder(db.engine, settings, first)
    yield recorder
    recorder.close()


def check_claimed(first: Claim, claimed: Fences) -> None:
    """Check that the second delivery is claimed, once, by whoever has these fences."""
    db.session.rollback()
    second = db.session.scalars(select(Delivery).where(Delivery.id != first.delivery_id)).one()
    assert get_delivery(first.delivery_id).state is DELIVERED
    assert second.claimed_at is not None
    assert not second.deferred
    assert claimed == {second.id: second.fence}


def waits_for_lock(database: SqlEngine) -> bool:
    """Return True if a transaction waits for another one."""
    with database.connect() as connection:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(connection.scalar(text(waiting)))


def test_recorded_before_the_commit_of_the_next(
    first: Claim, ingest: Ingest, recorder: Recorder
) -> None:
    """Ingest has seen the first one open, and commits after it was recorded."""
    recording: list[Future[Fences]] = []
    with before_statement(
        db.engine, INSERT, lambda: recording.append(recorder.start_beside_a_transaction())
    ):
        ingest.store()
    handed_over = ingest.hand_over()
    recorded = recording[0].result()
    # On SQLite the recorder comes after ingest, and sees the second one.
    assert bool(recorded) == (db.engine.dialect.name == "sqlite")
    check_claimed(first, {**recorded, **handed_over})


def test_recorded_after_the_commit_of_the_next(
    first: Claim, ingest: Ingest, recorder: Recorder
) -> None:
    """The first one is recorded after ingest has committed: who records claims the next."""
    ingest.store()
    recorded = recorder.start().result()
    assert ingest.hand_over() == {}
    check_claimed(first, recorded)


@pytest.mark.usefixtures("_waits_for_locks")
def test_recorded_while_the_next_is_committed(
    first: Claim, ingest: Ingest, recorder: Recorder
) -> None:
    """The recorder has looked for the next one, and commits while ingest looks again."""
    database, looked, commits = db.engine, threading.Event(), threading.Event()

    def before_commit() -> None:
        looked.set()
        assert commits.wait(30)

    recording = recorder.start(before_commit)
    assert looked.wait(30)
    with ThreadPoolExecutor(1) as pool:
        if database.dialect.name == "sqlite":
            # Ingest waits with its whole transaction.
            storing = pool.submit(ingest.store)
        else:
            ingest.store()
        handing_over = pool.submit(ingest.hand_over)
        if database.dialect.name == "postgresql":
            wait_until(lambda: waits_for_lock(database), "ingest to look again")
        commits.set()
        handed_over = handing_over.result()
    assert recording.result() == {}
    if database.dialect.name == "sqlite":
        storing.result()
    check_claimed(first, handed_over)


def test_recorded_while_the_next_is_deferred(
    first: Claim,
    report_call: ReportCall,
    recorder: Recorder,
    make_engine: MakeEngine,
    receiver: Receiver,
) -> None:
    """A dispatcher defers the next one, so the recorder skips it; it is sent all the same."""
    [second] = report_call("c1", 1)
    with write_transaction(db.engine) as connection:
        due = update(Delivery).where(Delivery.id == second)
        connection.execute(due.values(due_at=utc_now(), deferred=False))
    recording: list[Future[Fences]] = []
    engine = make_engine()
    with before_statement(
        db.engine, DEFER, lambda: recording.append(recorder.start_beside_a_transaction())
    ):
        engine.drain()
    if recorded := recording[0].result():
        assert db.engine.dialect.name == "sqlite"
        check_claimed(first, recorded)
    else:
        wait_for_state(second, DELIVERED)
        assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [second]


def lift_limit(connection: Any, _record: object) -> None:
    """Let a PostgreSQL connection wait for locks for ever."""
    connection.execute("SET lock_timeout = 0")
    connection.commit()


def test_frozen_recorder_holds_up_nobody_else(
    app: Flask,
    first: Claim,
    report_call: ReportCall,
    ingest: Ingest,
    recorder: Recorder,
    make_engine: MakeEngine,
    logged: Logged,
) -> None:
    """A worker that freezes while it records keeps its locks; other calls wait for none of them."""
    database = db.engine
    if database.dialect.name == "sqlite":
        # It has one lock for all, which nobody may keep: a frozen writer stops them all.
        return
    # The limit for all statements is longer, and would end the wait as well.
    event.listen(database, "connect", lift_limit)
    database.dispose()
    [second], [other] = report_call("c1", 1), report_call("c2", 1)
    with write_transaction(database) as connection:
        due = update(Delivery).where(Delivery.id == second)
        connection.execute(due.values(due_at=utc_now(), deferred=False))
    looked, resumes = threading.Event(), threading.Event()

    def freeze() -> None:
        looked.set()
        assert resumes.wait(60)

    recording = recorder.start(freeze)
    assert looked.wait(30)
    try:
        make_engine(poll_seconds=0.05)
        wait_for_state(other, DELIVERED)
        ingest.store()
        with ThreadPoolExecutor(1) as pool:
            handing_over = pool.submit(ingest.hand_over)
            wait_until(handing_over.done, "ingest to go on")
    finally:
        resumes.set()
    assert recording.result() == {}
    assert "unavailable" not in logged.text
