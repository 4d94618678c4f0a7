"""Group commit: who reports at the same time is stored together, and nobody suffers for another."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select

from callevents.db.models import CallEvent, DiscardedReport, Pbx
from callevents.db.session import begin_write
from callevents.enums import CallStatus, EventType
from callevents.errors import RevokedError, UnavailableError
from callevents.extensions import app_state, db
from callevents.ingest.accept import Accepted
from callevents.ingest.discarded import DiscardedReports, explain_duplicate
from callevents.ingest.group_commit import MAX_REPORTS, GroupCommit
from callevents.ingest.report import Report
from callevents.pbxs import pbxs, tokens
from tests.core.faults import before_statement, missing_table
from tests.core.logged import capture_log
from tests.waiting import wait_until

Outcome = list[Accepted] | BaseException


class Crowd:
    """Reports from many threads at once, as a server's requests do."""

    def __init__(self, app: Flask, pbx: Pbx) -> None:
        self.group_commit = GroupCommit(app)
        self.outcomes: dict[int, Outcome] = {}
        self._threads: list[threading.Thread] = []
        self._sender = sender_of(pbx)

    def report(self, *reports: Report, sender: tuple[Pbx, str] | None = None) -> int:
        """Report in a thread of its own; return the number under which its outcome will be."""
        number = len(self._threads)
        arguments = (number, sender or self._sender, reports)
        self._threads.append(threading.Thread(target=self._report, args=arguments))
        self._threads[-1].start()
        return number

    def queue(self, *reports: Report, sender: tuple[Pbx, str] | None = None) -> int:
        """Report, and wait until the request waits for the one that is being stored."""
        waiting = len(self.group_commit._queue)
        number = self.report(*reports, sender=sender)
        wait_until(lambda: len(self.group_commit._queue) > waiting, "a request in the queue")
        return number

    def end(self) -> None:
        """Wait until every request is answered."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a request hangs"

    def accepted(self, number: int) -> list[Accepted]:
        """Return what became of the reports of a request that must have been taken."""
        outcome = self.outcomes[number]
        assert isinstance(outcome, list), outcome
        return outcome

    def _report(self, number: int, sender: tuple[Pbx, str], reports: list[Report]) -> None:
        try:
            self.outcomes[number] = self.group_commit.submit(*sender, reports)
        except BaseException as error:  # noqa: BLE001  # it is the outcome
            self.outcomes[number] = error


def sender_of(pbx: Pbx) -> tuple[Pbx, str]:
    """Return the PBX, loaded and free of the test's session, and its token's id."""
    token_id = tokens.list_tokens(pbx)[0].id
    db.session.refresh(pbx)
    db.session.expunge(pbx)
    db.session.rollback()
    return pbx, token_id


@pytest.fixture
def crowd(app: Flask, pbx: Pbx) -> Crowd:
    """Requests of the PBX 'Head office'."""
    return Crowd(app, pbx)


def ring(key: str = "", **fields: Any) -> Report:
    """Return a report of a dial-in."""
    return Report(**{"event_type": EventType.DIAL_IN, "extension": "101", "key": key, **fields})


@contextmanager
def held_up(crowd: Crowd, act: Callable[[], object]) -> Iterator[None]:
    """Have `act` happen while a first request is being stored; wait for the end of all."""
    with before_statement(db.engine, "INSERT INTO call_event", lambda: act() and None):
        crowd.report(ring("first"))
        crowd.end()
    yield


@contextmanager
def counted_commits() -> Iterator[list[int]]:
    """Count the commits that happen meanwhile."""
    counted: list[int] = []

    def count(_connection: object) -> None:
        counted.append(1)

    engine = db.engine
    event.listen(engine, "commit", count)
    yield counted
    event.remove(engine, "commit", count)


def stored_keys() -> list[str]:
    """Return the given keys of what is stored, oldest first."""
    db.session.rollback()
    keys = db.session.scalars(select(CallEvent.key).order_by(CallEvent.id))
    return [key.removeprefix("given:") for key in keys]


def test_who_waits_is_stored_together(crowd: Crowd) -> None:
    """Ten requests that come while one is stored are one commit, in the order they came."""
    keys = [f"k{number}" for number in range(10)]

    def come() -> None:
        for key in keys:
            crowd.queue(ring(key))

    with counted_commits() as commits, held_up(crowd, come):
        assert len(commits) == 2
    assert stored_keys() == ["first", *keys]
    ids = [event.id for number in range(11) for event in crowd.accepted(number)]
    assert ids == list(db.session.scalars(select(CallEvent.id).order_by(CallEvent.id)))


def test_results_go_to_whom_they_belong(crowd: Crowd) -> None:
    """Requests with several reports, or none, get as many results."""

    def come() -> None:
        for count in (3, 0, 2):
            crowd.queue(*(ring(f"{count}-{number}") for number in range(count)))

    with held_up(crowd, come):
        assert [len(crowd.accepted(number)) for number in range(4)] == [1, 3, 0, 2]
    by_id = dict(db.session.execute(select(CallEvent.id, CallEvent.key)).all())
    got = [by_id[one.id].removeprefix("given:") for n in (1, 3) for one in crowd.accepted(n)]
    assert got == ["3-0", "3-1", "3-2", "2-0", "2-1"]


def test_repeated_in_another_request(crowd: Crowd) -> None:
    """The second of two requests with the same event gets the first one's id, as if later."""

    def come() -> None:
        crowd.queue(ring("same"))
        crowd.queue(ring("same"))

    with held_up(crowd, come):
        [first], [second] = crowd.accepted(1), crowd.accepted(2)
    assert (first.is_duplicate, second.is_duplicate) == (False, True)
    assert second.id == first.id
    assert stored_keys() == ["first", "same"]


def test_hangup_knows_what_came_before_in_the_same_commit(crowd: Crowd) -> None:
    """A hangup's status follows from the answer that another request reported just before."""
    call = {"call_id": "c1", "extension": "101"}

    def come() -> None:
        crowd.queue(ring("answer", event_type=EventType.ANSWER_IN, peer="0721", **call))
        crowd.queue(ring("hangup", event_type=EventType.HANGUP, cause=16, **call))

    with counted_commits() as commits, held_up(crowd, come):
        assert len(commits) == 2
    db.session.rollback()
    hangup = db.session.scalar(select(CallEvent).where(CallEvent.key == "given:hangup"))
    assert hangup is not None
    assert (hangup.status, hangup.peer) == (CallStatus.ANSWER, "0721")


def test_several_pbxs_in_one_commit(crowd: Crowd, app: Flask) -> None:
    """Requests of two PBXs are one commit, and each event is its own PBX's."""
    begin_write()
    other, _ = pbxs.add_pbx("Branch")
    db.session.commit()
    branch = sender_of(other)

    def come() -> None:
        crowd.queue(ring("b1"), sender=branch)
        crowd.queue(ring("h1"))
        crowd.queue(ring("b2"), sender=branch)

    with counted_commits() as commits, held_up(crowd, come):
        assert len(commits) == 2
    rows = db.session.execute(select(CallEvent.key, CallEvent.pbx_id)).all()
    assert {key.removeprefix("given:") for key, pbx_id in rows if pbx_id == branch[0].id} == {
        "b1",
        "b2",
    }
    assert all(isinstance(outcome, list) for outcome in crowd.outcomes.values())


def test_one_bad_request_hurts_only_itself(crowd: Crowd) -> None:
    """What the database cannot take is the error of the request that brought it alone."""
    # A PBX that never existed: the foreign key refuses it.
    nobody = Pbx(id=4711, slug="nobody", name="Nobody")
    bad: list[int] = []

    def come() -> None:
        crowd.queue(ring("a"))
        bad.append(crowd.queue(ring("b"), sender=(nobody, crowd._sender[1])))
        crowd.queue(ring("c"))

    with held_up(crowd, come):
        assert "foreign key" in str(crowd.outcomes[bad[0]]).lower()
    assert stored_keys() == ["first", "a", "c"]
    assert all(isinstance(crowd.outcomes[number], list) for number in (0, 1, 3))


def test_revoked_meanwhile(crowd: Crowd, app: Flask, pbx: Pbx) -> None:
    """A token revoked before the commit is refused in it, and the others' requests are taken."""
    begin_write()
    tokens.add_token(pbx)
    db.session.commit()
    old, new = (token.id for token in tokens.list_tokens(pbx))
    begin_write()
    tokens.revoke_token(pbx, old)
    db.session.commit()
    db.session.rollback()

    def come() -> None:
        crowd.queue(ring("old"), sender=(crowd._sender[0], old))
        crowd.queue(ring("new"), sender=(crowd._sender[0], new))

    crowd._sender = (crowd._sender[0], new)
    with held_up(crowd, come):
        assert isinstance(crowd.outcomes[1], RevokedError)
        assert isinstance(crowd.outcomes[2], list)
    assert stored_keys() == ["first", "new"]


def test_database_that_does_not_answer(crowd: Crowd, app: Flask) -> None:
    """All who wait are told so, in one line of the log; when it answers again they are taken."""
    engine = db.engine
    waiting: list[int] = []

    def refuse(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if (
            statement.startswith("INSERT INTO call_event")
            and waiting
            and not crowd.group_commit._queue
        ):
            # The database's own word for it, from a statement that it cannot end.
            connection.exec_driver_sql(
                "SELECT 1/0 FROM no_such_table"
                if engine.dialect.name == "sqlite"
                else "SELECT pg_terminate_backend(pg_backend_pid())"
            )

    def come() -> None:
        waiting.extend(crowd.queue(ring(f"k{number}")) for number in range(5))

    event.listen(engine, "before_cursor_execute", refuse)
    with capture_log() as logged:
        try:
            with held_up(crowd, come):
                pass
        finally:
            event.remove(engine, "before_cursor_execute", refuse)
    assert [type(crowd.outcomes[number]) for number in waiting] == [UnavailableError] * 5
    assert logged.text.count("database unavailable") == 1
    crowd.report(ring("later"))
    crowd.end()
    assert stored_keys() == ["first", "later"]


def test_leader_that_dies(crowd: Crowd, app: Flask) -> None:
    """If the storing thread is ended, those it stored for are told, and the next one leads."""
    engine = db.engine
    died: list[int] = []

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO call_event") and not died:
            died.append(1)
            for number in range(3):
                crowd.queue(ring(f"k{number}"))
            raise SystemExit

    event.listen(engine, "before_cursor_execute", die)
    try:
        crowd.report(ring("first"))
        crowd.end()
    finally:
        event.remove(engine, "before_cursor_execute", die)
    assert isinstance(crowd.outcomes[0], SystemExit)
    assert [isinstance(crowd.outcomes[number], list) for number in (1, 2, 3)] == [True] * 3
    assert stored_keys() == ["k0", "k1", "k2"]


def test_no_commit_grows_without_end(crowd: Crowd) -> None:
    """What would make a transaction too large waits for the next one."""
    half = [ring(f"k{number}") for number in range(MAX_REPORTS // 2 + 1)]

    def come() -> None:
        crowd.queue(*half)
        crowd.queue(*(ring(f"l{number}") for number in range(MAX_REPORTS // 2)))
        crowd.queue(ring("last"))

    with counted_commits() as commits, held_up(crowd, come):
        assert len(commits) == 3
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(CallEvent)) == MAX_REPORTS + 3


def test_forked_process_starts_anew(crowd: Crowd, app: Flask) -> None:
    """A process forked while another thread leads is not kept waiting by a leader it lacks."""
    codes: list[int] = []

    def fork() -> None:
        child = os.fork()
        if child == 0:
            db.engine.dispose(close=False)
            code = 1
            try:
                # The parent's own transaction holds SQLite; that it tries is what is to be seen.
                code = 0 if not crowd.group_commit._has_leader else 2
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    with held_up(crowd, fork):
        assert codes == [0]


def test_missing_table_is_everybodys_own_error(crowd: Crowd) -> None:
    """A database without its tables answers each with an error, and nobody waits for ever."""
    with missing_table(db.engine, "call_event"):
        for _ in range(3):
            crowd.report(ring())
        crowd.end()
    assert all(isinstance(outcome, Exception) for outcome in crowd.outcomes.values())
    assert len(crowd.outcomes) == 3


def test_nobody_waits_for_the_note_of_what_was_repeated(crowd: Crowd) -> None:
    """Who tells an event again is answered before that is kept for people."""
    crowd.report(ring("k"))
    crowd.end()
    answered, was_answered = threading.Event(), list[bool]()

    def wait() -> None:
        was_answered.append(answered.wait(10))

    with before_statement(db.engine, "INSERT INTO discarded_report", wait):
        again = crowd.report(ring("k"))
        crowd.end()
        answered.set()
        wait_until(noted_ids, "the note")
    assert crowd.accepted(again)[0].is_duplicate
    assert was_answered == [True]


def test_storms_of_repeated_reports_take_one_thread(crowd: Crowd, app: Flask) -> None:
    """However many PBXs repeat while a note is being written, one thread writes all of them."""
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
        wait_until(lambda: len(noted_ids()) == 6, "the notes")
    assert threads == [1] * 5
    assert noted_ids() > set(others)


def noted_ids() -> set[int]:
    """Return the ids of the PBXs of which something is kept beside the events."""
    db.session.rollback()
    return set(db.session.scalars(select(DiscardedReport.pbx_id)))
