"""Of several listeners one holds a PBX's lease; when it stops or dies, another acquires it."""

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
from callevents.processes.listener.lease import InstanceId, acquire_lease, release_lease
from tests.conftest import SECRET_KEY, Configure, RunPython
from tests.processes.listener.conftest import (
    LEASE_SECONDS,
    Listening,
    Serve,
    connect,
    find,
    stored,
    texts,
)
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


def test_only_one_holds_the_lease(pbx: Pbx) -> None:
    """The holder can renew; another listener can acquire after expiry or release."""
    connect(pbx, "asterisk", 5038)
    one, other, now = InstanceId(), InstanceId(), utc_now()
    begin_write()
    assert acquire_lease([pbx.id], one, now, LEASE) == {pbx.id}
    assert acquire_lease([pbx.id], other, now + LEASE, LEASE) == set()
    assert acquire_lease([pbx.id], one, now + LEASE / 2, LEASE) == {pbx.id}
    assert acquire_lease([pbx.id], other, now + LEASE, LEASE) == set()
    assert acquire_lease([pbx.id], other, now + 2 * LEASE, LEASE) == {pbx.id}
    assert acquire_lease([pbx.id], one, now + 2 * LEASE, LEASE) == set()
    release_lease([pbx.id], one)
    assert acquire_lease([pbx.id], one, now + 2 * LEASE, LEASE) == set()
    release_lease([pbx.id], other)
    assert acquire_lease([pbx.id], one, now + 2 * LEASE, LEASE) == {pbx.id}
    db.session.get_one(Connector, pbx.id).enabled = False
    db.session.flush()
    assert acquire_lease([pbx.id], one, now + 2 * LEASE, LEASE) == set()
    db.session.rollback()


def test_of_two_listeners_one_connects(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """The other one waits, and takes over at once when the first stops cleanly."""
    parts, words = find_call("asterisk", "s01")
    half = middle(parts, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    first = listen()
    server.wait_for_listener()
    leader = find(pbx).leader_id
    listen()
    server.say(parts[:half])
    wait_until(lambda: len(texts(pbx)) == 4, "the first events")
    until = find(pbx).leader_until
    wait_until(lambda: find(pbx).leader_until != until, "the renewal of the lease")
    assert (len(server.clients), find(pbx).leader_id) == (1, leader)
    first.stop()
    server.wait_for_listener(2)
    assert find(pbx).leader_id not in {None, leader}
    server.say(parts[half:])
    wait_until(lambda: len(texts(pbx)) >= len(words), "the other events")
    assert texts(pbx) == words


def test_the_leader_is_killed(
    pbx: Pbx,
    serve: Serve,
    listen: Listen,
    flask_listen: Callable[[], Program],
    configure: Configure,
) -> None:
    """SIGKILL during calls: after the lease the other one stores the rest, once.

    One call continues, another one ends while no listener is connected.
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
    wait_until(lambda: len(texts(pbx)) == 6, "the events before")
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
        return len(texts(pbx)) >= len(expected) and legs == ended

    wait_until(is_over, "the rest, and the end of every leg")
    assert [word for word in texts(pbx) if word in words] == words
    seen = set(texts(pbx))
    assert len(texts(pbx)) == len({(one.leg_id, one.event_type) for one in stored(pbx)})
    assert "101 hangup 0612345678" in seen
    assert seen <= set(words) | set(other_words)

    def has_a_delivery_each() -> bool:
        # Both are counted in turn, and another end may be stored in between.
        hangups = sum(" hangup " in word for word in texts(pbx))
        return db.session.query(Delivery).count() == hangups

    wait_until(has_a_delivery_each, "a delivery of each hangup")


def test_a_paused_leader_wakes(
    pbx: Pbx, serve: Serve, listen: Listen, flask_listen: Callable[[], Program]
) -> None:
    """SIGSTOP and SIGCONT: events read after the lease expired are dropped.

    Events read before are stored once.
    """
    parts, words = find_call("asterisk", "s01")
    others, other_words = find_call("asterisk", "s13")
    half, other_half = middle(parts, "asterisk"), middle(others, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    leader = flask_listen()
    server.wait_for_listener()
    server.say(parts[:half])
    wait_until(lambda: len(texts(pbx)) == 4, "the first events")
    pause(leader, pbx)
    server.say(others[:other_half])
    listen()
    server.wait_for_listener(2)
    server.say([*parts[half:], *others[other_half:]])
    missed = ["101 dial-in 0612345678", "101 answer-in 0612345678"]
    expected = sorted([*words, *other_words])
    for word in missed:
        expected.remove(word)
    wait_until(
        lambda: sorted(texts(pbx)) == expected,
        "the rest, without events during the disconnect",
    )
    os.kill(leader.process.pid, signal.SIGCONT)
    leader.wait_for_line("another listener holds the lease")
    leader.process.terminate()
    assert leader.wait() == 0
    assert sorted(texts(pbx)) == expected


def test_stopping_stores_what_was_read(
    pbx: Pbx, serve: Serve, flask_listen: Callable[[], Program]
) -> None:
    """SIGTERM: buffered events are stored, the lease is released, the exit code is 0."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    program = flask_listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: texts(pbx), "the first event")
    program.process.terminate()
    assert program.wait() == 0
    assert texts(pbx) == words
    connector = find(pbx)
    assert (connector.leader_id, connector.events) == (None, len(words))


def test_the_database_is_unavailable_for_a_while(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Events are buffered, and stored in order when it is back."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    server.wait_for_listener()
    with missing_table(db.engine, "call_event"), counting_inserts() as tries:
        server.say(parts)
        wait_until(lambda: len(tries) > 2, "tries in vain")
    wait_until(lambda: len(texts(pbx)) >= len(words), "the events")
    assert texts(pbx) == words


def test_the_database_is_unavailable_for_longer_than_the_lease(
    pbx: Pbx, serve: Serve, listen: Listen
) -> None:
    """The holder's events are stored, even if the other listener acquires the lease first."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    leader = listen()
    server.wait_for_listener()
    other = listen()
    with lead_after_outage(db.engine, pbx, other):
        is_over = utc_now() + timedelta(seconds=LEASE_SECONDS)
        wait_until(lambda: utc_now() > is_over, "the end of the lease")
        server.say(parts)
        wait_until(lambda: leader.waiting == len(words), "the leader to read")
        assert len(server.clients) == 1
    server.wait_for_listener(2)
    wait_until(lambda: len(texts(pbx)) >= len(words), "the buffered events")
    assert texts(pbx) == words


def test_starting_while_the_database_is_not_ready(
    pbx: Pbx, serve: Serve, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits for the connectors, then for the calls to restore, and then connects."""
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    with missing_table(db.engine, "call_event"):
        with missing_table(db.engine, "connector"):
            listen()
            wait_until(lambda: "database unavailable" in caplog.text, "a first error")
        caplog.clear()
        wait_until(lambda: "database unavailable" in caplog.text, "a second error")
        assert server.clients == []
    server.wait_for_listener()


def test_stopping_while_the_database_is_unavailable(
    pbx: Pbx, serve: Serve, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    """It stops in time, and logs the number of lost events."""
    parts, words = find_call("asterisk", "s01")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listening = listen()
    server.wait_for_listener()
    with missing_table(db.engine, "call_event"), counting_inserts() as tries:
        server.say(parts)
        wait_until(lambda: tries, "a try in vain")
        listening.stop()
    assert "events lost at shutdown" in caplog.text
    assert f"'n': {len(words)}" in caplog.text


def test_an_event_that_the_database_rejects(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """It is counted, and neither the other events nor later ones are affected."""
    parts, words = find_call("asterisk", "s01")
    half = middle(parts, "asterisk")
    server = serve("asterisk")
    connect(pbx, "asterisk", server.port)
    listen()
    server.wait_for_listener()
    with refused_inserts(db.engine, "call_event"):
        server.say(parts[:half])
        wait_until(lambda: find(pbx).skipped == 4, "four rejected events")
    server.say(parts[half:])
    wait_until(lambda: len(texts(pbx)) >= 2, "the hangups")
    assert texts(pbx) == words[4:]


def pause(program: Program, pbx: Pbx) -> None:
    """Send SIGSTOP while the program holds no database lock."""
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
    """Return True if the connector's row is not locked."""
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
    """Make the table unavailable within the block; afterwards this listener holds the lease."""
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
    """Collect the statements that select events."""
    tries: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM call_event" in statement:
            tries.append(statement)

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        yield tries
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
