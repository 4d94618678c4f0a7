"""Of several listeners one leads at a PBX; when it is gone, however it went, another does."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, event, select, text, update
from sqlalchemy.exc import OperationalError

from callevents.config.settings import Settings
from callevents.db.models import Connector, Delivery, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import EventType
from callevents.extensions import db
from callevents.processes.listener.lease import Myself, let_go, take_lead
from tests.conftest import SECRET_KEY, Configure, RunPython
from tests.processes.listener.conftest import Listening, Serve, connect, find, stored, told
from tests.processes.listener.test_follower import find_call, middle
from tests.support.database_faults import missing_table, refused_inserts
from tests.support.programs import ROOT, Program
from tests.support.waiting import wait_until

Listen = Callable[[], Listening]
LEASE = timedelta(seconds=10)


@pytest.fixture
def flask_listen(
    settings: Settings, tmp_path: Path, run_python: RunPython
) -> Iterator[Callable[[], Program]]:
    """Starts `flask listen`, a process of its own."""
    started: list[Program] = []

    def start() -> Program:
        command = ("-m", "flask", "--app", str(ROOT / "app.py"), "listen")
        values = {
            "database_url": settings.database_url,
            "redis_url": settings.redis_url,
            "data_dir": str(tmp_path),
            "secret_key": SECRET_KEY,
            "listen_lease_seconds": "1",
        }
        started.append(run_python(*command, **values))
        return started[-1]

    yield start
    for program in started:
        if program.process.poll() is None:
            os.kill(program.process.pid, signal.SIGCONT)


def test_only_one_leads(pbx: Pbx) -> None:
    """Who leads may go on; another one only after the lease, or when it is let go."""
    connect(pbx, "asterisk", 5038)
    one, other, now = Myself(), Myself(), utc_now()
    begin_write()
    assert take_lead([pbx.id], one, now, LEASE) == {pbx.id}
    assert take_lead([pbx.id], other, now + LEASE, LEASE) == set()
    assert take_lead([pbx.id], one, now + LEASE / 2, LEASE) == {pbx.id}
    assert take_lead([pbx.id], other, now + LEASE, LEASE) == set()
    assert take_lead([pbx.id], other, now + 2 * LEASE, LEASE) == {pbx.id}
    assert take_lead([pbx.id], one, now + 2 * LEASE, LEASE) == set()
    let_go([pbx.id], one)
    assert take_lead([pbx.id], one, now + 2 * LEASE, LEASE) == set()
    let_go([pbx.id], other)
    assert take_lead([pbx.id], one, now + 2 * LEASE, LEASE) == {pbx.id}
    db.session.get_one(Connector, pbx.id).enabled = False
    db.session.flush()
    assert take_lead([pbx.id], one, now + 2 * LEASE, LEASE) == set()
    db.session.rollback()


def test_of_two_listeners_one_connects(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """The other one waits, and takes over at once when the first stops as it should."""
    parts, words = find_call("asterisk", "s01")
    half = middle(parts, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    first = listen()
    server.wait_for_listener()
    leader = find(pbx).leader_id
    listen()
    server.say(parts[:half])
    wait_until(lambda: len(told(pbx)) == 4, "the first events")
    until = find(pbx).leader_until
    wait_until(lambda: find(pbx).leader_until != until, "the leader to lead on")
    assert (len(server.clients), find(pbx).leader_id) == (1, leader)
    first.stop()
    server.wait_for_listener(2)
    assert find(pbx).leader_id not in {None, leader}
    server.say(parts[half:])
    wait_until(lambda: len(told(pbx)) >= len(words), "the other events")
    assert told(pbx) == words


def test_the_leader_is_killed(
    pbx: Pbx,
    serve: Serve,
    listen: Listen,
    flask_listen: Callable[[], Program],
    configure: Configure,
) -> None:
    """SIGKILL in the middle of calls: after the lease the other one tells the rest, once.

    One call goes on, another one ends while nobody listens.
    """
    parts, words = find_call("asterisk", "s01")
    others, other_words = find_call("asterisk", "s13")
    half, other_half = middle(parts, "asterisk"), middle(others, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    configure.hook("*", EventType.HANGUP, "http://127.0.0.1:9/")
    leader = flask_listen()
    server.wait_for_listener()
    server.say([*parts[:half], *others[:other_half]])
    wait_until(lambda: len(told(pbx)) == 6, "the events before")
    listen()
    os.kill(leader.process.pid, signal.SIGKILL)
    leader.wait()
    ends = next(i for i, part in enumerate(others) if b"Hangup\r" in part and b"PJSIP/101" in part)
    server.say(others[other_half : ends + 1])
    server.wait_for_listener(2)
    server.say([*parts[half:], *others[ends + 1 :]])
    missed = {"102 dial-in 0612345678"}
    expected = sorted(set(words) | set(other_words) - missed)

    def is_over() -> bool:
        legs = {one.leg_id for one in stored(pbx)}
        ended = {one.leg_id for one in stored(pbx) if one.event_type is EventType.HANGUP}
        return len(told(pbx)) >= len(expected) and legs == ended

    wait_until(is_over, "the rest, and the end of every leg")
    assert [word for word in told(pbx) if word in words] == words
    seen = set(told(pbx))
    assert len(told(pbx)) == len({(one.leg_id, one.event_type) for one in stored(pbx)})
    assert "101 hangup 0612345678" in seen
    assert seen <= set(words) | set(other_words)
    assert db.session.query(Delivery).count() == sum(" hangup " in word for word in told(pbx))


def test_a_paused_leader_wakes(
    pbx: Pbx, serve: Serve, listen: Listen, flask_listen: Callable[[], Program]
) -> None:
    """SIGSTOP and SIGCONT: what it reads after its lease is the other one's, and not stored late.

    What it has read before is stored once.
    """
    parts, words = find_call("asterisk", "s01")
    others, other_words = find_call("asterisk", "s13")
    half, other_half = middle(parts, "asterisk"), middle(others, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    leader = flask_listen()
    server.wait_for_listener()
    server.say(parts[:half])
    wait_until(lambda: len(told(pbx)) == 4, "the first events")
    pause(leader, pbx)
    server.say(others[:other_half])
    listen()
    server.wait_for_listener(2)
    server.say([*parts[half:], *others[other_half:]])
    missed = ["101 dial-in 0612345678", "101 answer-in 0612345678"]
    expected = sorted([*words, *other_words])
    for word in missed:
        expected.remove(word)
    wait_until(lambda: sorted(told(pbx)) == expected, "the rest, without what nobody heard")
    os.kill(leader.process.pid, signal.SIGCONT)
    leader.wait_for_line("another listener leads")
    leader.process.terminate()
    assert leader.wait() == 0
    assert sorted(told(pbx)) == expected


def test_stopping_stores_what_was_read(
    pbx: Pbx, serve: Serve, flask_listen: Callable[[], Program]
) -> None:
    """SIGTERM: what was read is stored, the lease is let go, the exit code is 0."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    program = flask_listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: told(pbx), "the first event")
    program.process.terminate()
    assert program.wait() == 0
    assert told(pbx) == words
    connector = find(pbx)
    assert (connector.leader_id, connector.events) == (None, len(words))


def test_the_database_is_away_for_a_while(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """What happens meanwhile is kept, and stored in order when it is back."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    server.wait_for_listener()
    with missing_table(db.engine, "call_event"), counting_inserts() as tries:
        server.say(parts)
        wait_until(lambda: len(tries) > 2, "tries in vain")
    wait_until(lambda: len(told(pbx)) >= len(words), "the events")
    assert told(pbx) == words


def test_the_database_is_away_for_longer_than_the_lease(
    pbx: Pbx, serve: Serve, listen: Listen
) -> None:
    """What the leader reads meanwhile is stored, though the other listener is faster afterwards."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    leader = listen()
    server.wait_for_listener()
    other = listen()
    with lead_after_outage(db.engine, pbx, other):
        is_over = utc_now() + timedelta(seconds=1)
        wait_until(lambda: utc_now() > is_over, "the end of the lease")
        server.say(parts)
        wait_until(lambda: leader.waiting == len(words), "the leader to read")
        assert len(server.clients) == 1
    server.wait_for_listener(2)
    wait_until(lambda: len(told(pbx)) >= len(words), "what was read meanwhile")
    assert told(pbx) == words


def test_starting_while_the_database_is_not_ready(
    pbx: Pbx, serve: Serve, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits, first for the connectors, then for what was told of calls, and then connects."""
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    with missing_table(db.engine, "call_event"):
        with missing_table(db.engine, "connector"):
            listen()
            wait_until(lambda: "the database does not answer" in caplog.text, "a first complaint")
        caplog.clear()
        wait_until(lambda: "the database does not answer" in caplog.text, "a second complaint")
        assert server.clients == []
    server.wait_for_listener()


def test_stopping_while_the_database_is_away(
    pbx: Pbx, serve: Serve, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends in its time, and the log says how many events are lost with it."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listening = listen()
    server.wait_for_listener()
    with missing_table(db.engine, "call_event"), counting_inserts() as tries:
        server.say(parts)
        wait_until(lambda: tries, "a try in vain")
        listening.stop()
    assert "events are lost with this process" in caplog.text
    assert f"'n': {len(words)}" in caplog.text


def test_an_event_that_cannot_be_stored(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """It is counted, and stops neither the others nor what comes later."""
    parts, words = find_call("asterisk", "s01")
    half = middle(parts, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    server.wait_for_listener()
    with refused_inserts(db.engine, "call_event"):
        server.say(parts[:half])
        wait_until(lambda: find(pbx).skipped == 4, "four that are refused")
    server.say(parts[half:])
    wait_until(lambda: len(told(pbx)) >= 2, "the hangups")
    assert told(pbx) == words[4:]


def pause(program: Program, pbx: Pbx) -> None:
    """Send SIGSTOP at a moment when the program holds no lock that others wait for."""
    process = psutil.Process(program.process.pid)

    def is_paused() -> bool:
        process.suspend()
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "the pause")
        if is_unlocked(pbx):
            return True
        process.resume()
        return False

    wait_until(is_paused, "a moment without a lock")


def is_unlocked(pbx: Pbx) -> bool:
    """Tell whether the connector's row could be written at once."""
    db.session.rollback()
    try:
        if db.engine.dialect.name == "sqlite":
            with closing(sqlite3.connect(str(db.engine.url.database), timeout=0)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.rollback()
        else:
            row = select(Connector.pbx_id).where(Connector.pbx_id == pbx.id)
            db.session.execute(row.with_for_update(nowait=True))
    except (sqlite3.OperationalError, OperationalError):
        return False
    finally:
        db.session.rollback()
    return True


@contextmanager
def lead_after_outage(engine: Engine, pbx: Pbx, listening: Listening) -> Iterator[None]:
    """Take the leases away; when they are back, this listener was the first who took them."""
    with write_transaction(engine) as connection:
        connection.execute(text("ALTER TABLE connector RENAME TO connector_away"))
    try:
        yield
    finally:
        with write_transaction(engine) as connection:
            connection.execute(text("ALTER TABLE connector_away RENAME TO connector"))
            connection.execute(
                update(Connector)
                .where(Connector.pbx_id == pbx.id)
                .values(leader_id=listening.id, leader_until=utc_now() + LEASE)
            )


@contextmanager
def counting_inserts() -> Iterator[list[str]]:
    """Count the statements that look for events."""
    tries: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM call_event" in statement:
            tries.append(statement)

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        yield tries
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
