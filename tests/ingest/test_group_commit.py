"""Group commit: concurrent requests share a transaction, and each gets its own results."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from callevents.db.models import CallEvent, DiscardedReport, Pbx, new_id
from callevents.db.session import begin_write
from callevents.enums import CallStatus, EventType
from callevents.errors import RevokedError
from callevents.extensions import app_state, db
from callevents.ingest.accept import Accepted
from callevents.ingest.discarded import DiscardedReports, explain_duplicate
from callevents.ingest.group_commit import MAX_REPORTS, GroupCommit
from callevents.ingest.report import Report
from callevents.pbxs import pbxs, tokens
from tests.support.database_faults import before_statement
from tests.support.waiting import wait_until

Outcome = list[Accepted] | BaseException


class Crowd:
    """Submits reports from many threads at once, as a server's requests do."""

    def __init__(self, app: Flask, pbx: Pbx) -> None:
        self.group_commit = GroupCommit(app)
        self.outcomes: dict[int, Outcome] = {}
        self._threads: list[threading.Thread] = []
        self._sender = sender_of(pbx)

    def report(self, *reports: Report, sender: tuple[Pbx, str] | None = None) -> int:
        """Submit reports in a new thread; return the number of the outcome."""
        number = len(self._threads)
        arguments = (number, sender or self._sender, reports)
        self._threads.append(threading.Thread(target=self._report, args=arguments))
        self._threads[-1].start()
        return number

    def queue(self, *reports: Report, sender: tuple[Pbx, str] | None = None) -> int:
        """Submit reports, and wait until the request is in the queue."""
        waiting = len(self.group_commit._queue)
        number = self.report(*reports, sender=sender)
        wait_until(lambda: len(self.group_commit._queue) > waiting, "a request in the queue")
        return number

    def end(self) -> None:
        """Wait until every request is done."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a request hangs"

    def accepted(self, number: int) -> list[Accepted]:
        """Return the results of a request, which must have been accepted."""
        outcome = self.outcomes[number]
        assert isinstance(outcome, list), outcome
        return outcome

    def _report(self, number: int, sender: tuple[Pbx, str], reports: list[Report]) -> None:
        try:
            self.outcomes[number] = self.group_commit.submit(*sender, reports)
        except BaseException as error:  # noqa: BLE001  # it is the outcome
            self.outcomes[number] = error


def sender_of(pbx: Pbx) -> tuple[Pbx, str]:
    """Return the PBX, loaded and detached from the session, and its token's ID."""
    token_id = tokens.list_tokens(pbx)[0].id
    db.session.refresh(pbx)
    db.session.expunge(pbx)
    db.session.rollback()
    return pbx, token_id


@pytest.fixture
def crowd(app: Flask, pbx: Pbx) -> Crowd:
    """Concurrent requests of the PBX 'Head office'."""
    return Crowd(app, pbx)


def ring(key: str = "", **fields: Any) -> Report:
    """Return a report of a dial-in."""
    return Report(**{"event_type": EventType.DIAL_IN, "extension": "101", "key": key, **fields})


@contextmanager
def while_storing(crowd: Crowd, act: Callable[[], object]) -> Iterator[None]:
    """Run `act` while a first request is being stored; wait until all requests are done."""
    with before_statement(db.engine, "INSERT INTO call_event", lambda: act() and None):
        crowd.report(ring("first"))
        crowd.end()
    yield


@contextmanager
def counted_commits() -> Iterator[list[int]]:
    """Count the commits within the block."""
    counted: list[int] = []

    def count(_connection: object) -> None:
        counted.append(1)

    engine = db.engine
    event.listen(engine, "commit", count)
    yield counted
    event.remove(engine, "commit", count)


def stored_keys() -> list[str]:
    """Return the senders' keys of the stored events, oldest first."""
    db.session.rollback()
    keys = db.session.scalars(select(CallEvent.key).order_by(CallEvent.id))
    return [key.removeprefix("given:") for key in keys]


def test_waiting_requests_share_a_commit(crowd: Crowd) -> None:
    """Ten requests that arrive while one is stored are one commit, in order of arrival."""
    keys = [f"k{number}" for number in range(10)]

    def arrive() -> None:
        for key in keys:
            crowd.queue(ring(key))

    with counted_commits() as commits, while_storing(crowd, arrive):
        assert len(commits) == 2
    assert stored_keys() == ["first", *keys]
    ids = [event.id for number in range(11) for event in crowd.accepted(number)]
    assert ids == list(db.session.scalars(select(CallEvent.id).order_by(CallEvent.id)))


def test_each_request_gets_its_own_results(crowd: Crowd) -> None:
    """A request with several reports, or none, gets as many results."""

    def arrive() -> None:
        for count in (3, 0, 2):
            crowd.queue(*(ring(f"{count}-{number}") for number in range(count)))

    with while_storing(crowd, arrive):
        assert [len(crowd.accepted(number)) for number in range(4)] == [1, 3, 0, 2]
    by_id = dict(db.session.execute(select(CallEvent.id, CallEvent.key)).all())
    got = [by_id[one.id].removeprefix("given:") for n in (1, 3) for one in crowd.accepted(n)]
    assert got == ["3-0", "3-1", "3-2", "2-0", "2-1"]


def test_requests_without_a_waiting_thread(crowd: Crowd) -> None:
    """They share commits with others, lead in a thread of the executor, and get their results."""
    pbx, token_id = crowd._sender
    results: list[list[Accepted] | Exception] = []
    leaders: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO call_event"):
            leaders.add(threading.current_thread().name)

    event.listen(db.engine, "before_cursor_execute", note)
    with ThreadPoolExecutor(1, "leader") as threads, counted_commits() as commits:

        def arrive() -> None:
            leaders.clear()
            crowd.group_commit.submit_later(pbx, token_id, [ring("a")], threads, results.append)
            crowd.queue(ring("b"))
            crowd.group_commit.submit_later(pbx, new_id(), [ring("c")], threads, results.append)

        with while_storing(crowd, arrive):
            wait_until(lambda: len(results) == 2, "the results")
        assert len(commits) == 2
        assert leaders == {"leader_0"}
        crowd.group_commit.submit_later(pbx, token_id, [ring("d")], threads, results.append)
        wait_until(lambda: len(results) == 3, "the result of a request alone")
    event.remove(db.engine, "before_cursor_execute", note)
    assert isinstance(results[1], RevokedError)
    assert stored_keys() == ["first", "a", "b", "d"]
    ids = [found[0].id for found in (crowd.accepted(0), results[0], crowd.accepted(1), results[2])]
    assert ids == list(db.session.scalars(select(CallEvent.id).order_by(CallEvent.id)))


def test_duplicate_in_another_request(crowd: Crowd) -> None:
    """The second of two requests with the same event gets the ID of the first."""

    def arrive() -> None:
        crowd.queue(ring("same"))
        crowd.queue(ring("same"))

    with while_storing(crowd, arrive):
        [first], [second] = crowd.accepted(1), crowd.accepted(2)
    assert (first.is_duplicate, second.is_duplicate) == (False, True)
    assert second.id == first.id
    assert stored_keys() == ["first", "same"]


def test_hangup_is_enriched_from_the_same_commit(crowd: Crowd) -> None:
    """The status of a hangup follows from the answer event of another request in the batch."""
    call = {"call_id": "c1", "extension": "101"}

    def arrive() -> None:
        crowd.queue(ring("answer", event_type=EventType.ANSWER_IN, peer="0721", **call))
        crowd.queue(ring("hangup", event_type=EventType.HANGUP, cause=16, **call))

    with counted_commits() as commits, while_storing(crowd, arrive):
        assert len(commits) == 2
    db.session.rollback()
    hangup = db.session.scalar(select(CallEvent).where(CallEvent.key == "given:hangup"))
    assert hangup is not None
    assert (hangup.status, hangup.peer) == (CallStatus.ANSWER, "0721")


def test_several_pbxs_in_one_commit(crowd: Crowd, app: Flask) -> None:
    """Requests of two PBXs share a commit, and each event belongs to its PBX."""
    begin_write()
    other, _ = pbxs.add_pbx("Branch")
    db.session.commit()
    branch = sender_of(other)

    def arrive() -> None:
        crowd.queue(ring("b1"), sender=branch)
        crowd.queue(ring("h1"))
        crowd.queue(ring("b2"), sender=branch)

    with counted_commits() as commits, while_storing(crowd, arrive):
        assert len(commits) == 2
    rows = db.session.execute(select(CallEvent.key, CallEvent.pbx_id)).all()
    assert {key.removeprefix("given:") for key, pbx_id in rows if pbx_id == branch[0].id} == {
        "b1",
        "b2",
    }
    assert all(isinstance(outcome, list) for outcome in crowd.outcomes.values())


def test_batches_are_limited(crowd: Crowd) -> None:
    """A request that would make a batch too large waits for the next one."""
    half = [ring(f"k{number}") for number in range(MAX_REPORTS // 2 + 1)]

    def arrive() -> None:
        crowd.queue(*half)
        crowd.queue(*(ring(f"l{number}") for number in range(MAX_REPORTS // 2)))
        crowd.queue(ring("last"))

    with counted_commits() as commits, while_storing(crowd, arrive):
        assert len(commits) == 3
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(CallEvent)) == MAX_REPORTS + 3


def test_forked_process_has_no_leader(crowd: Crowd, app: Flask) -> None:
    """A process forked while another thread leads does not wait for that leader."""
    codes: list[int] = []

    def fork() -> None:
        child = os.fork()
        if child == 0:
            db.engine.dispose(close=False)
            code = 1
            try:
                # The parent's transaction holds SQLite's lock, so only the state is checked.
                code = 0 if not crowd.group_commit._has_leader else 2
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    with while_storing(crowd, fork):
        assert codes == [0]


def test_response_does_not_wait_for_the_discarded_report(crowd: Crowd) -> None:
    """A duplicate gets its response before it is stored as a discarded report."""
    crowd.report(ring("k"))
    crowd.end()
    done, was_done = threading.Event(), list[bool]()

    def wait() -> None:
        was_done.append(done.wait(60))

    with before_statement(db.engine, "INSERT INTO discarded_report", wait):
        again = crowd.report(ring("k"))
        crowd.end()
        done.set()
        wait_until(discarded_pbx_ids, "the discarded report")
    assert crowd.accepted(again)[0].is_duplicate
    assert was_done == [True]


def test_storm_of_duplicates_uses_one_thread(crowd: Crowd, app: Flask) -> None:
    """Duplicates of many PBXs are stored by one thread."""
    begin_write()
    others = [pbxs.add_pbx(f"Branch {number}")[0].id for number in range(5)]
    db.session.commit()
    discarded_reports = app_state(app).get(DiscardedReports)
    threads: list[int] = []

    def repeat() -> None:
        for pbx_id in others:
            discarded_reports.store_async(pbx_id, 200, explain_duplicate(["1"]), str)
            threads.append(
                sum(thread.name == "discarded reports" for thread in threading.enumerate())
            )

    with before_statement(db.engine, "INSERT INTO discarded_report", repeat):
        for _ in "12":
            crowd.report(ring("k"))
            crowd.end()
        wait_until(lambda: len(discarded_pbx_ids()) == 6, "the discarded reports")
    assert threads == [1] * 5
    assert discarded_pbx_ids() > set(others)


def discarded_pbx_ids() -> set[int]:
    """Return the IDs of the PBXs with discarded reports."""
    db.session.rollback()
    return set(db.session.scalars(select(DiscardedReport.pbx_id)))
