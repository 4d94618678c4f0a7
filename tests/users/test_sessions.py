"""Sessions: valid for a time, listed, ended."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from callevents.config.settings import Settings
from callevents.db.models import User, UserSession, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import Role
from callevents.extensions import db
from callevents.operations.scheduler import Scheduler
from callevents.users import sessions, users
from tests.support.database_faults import missing_table
from tests.support.log_capture import Logged
from tests.support.statement_count import counting

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
IDLE = timedelta(hours=12)
MILLISECOND = timedelta(milliseconds=1)


def start(user: User, browser: str = "Firefox on Linux", address: str = "192.0.2.1") -> str:
    """Start a session; return its token."""
    begin_write()
    token = sessions.start_session(user, browser, address)
    db.session.commit()
    return token


def use(token: str, address: str = "192.0.2.1") -> bool:
    """Use a session as a page does; return False if it has ended."""
    session = sessions.find_session(token)
    if session is not None:
        sessions.note_seen(session, address)
    db.session.rollback()
    return session is not None


def count_rows() -> int:
    """Return the number of rows."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(UserSession)) or 0


def test_a_session_has_its_user(user: User) -> None:
    """The token finds the user in one query; its hash is stored, not the token."""
    token = start(user)
    statements: list[str] = []
    with counting(statements):
        found = sessions.find_session(token)
        assert found is not None
        assert found.user.username == "ana"
    assert len(statements) == 1
    assert len(token) == 43
    assert token not in found.digest
    assert token != start(user)


@pytest.mark.parametrize("token", ["", "1", "x" * 43, "x" * 5000, "\x00"])
def test_other_tokens_find_nobody(user: User, token: str) -> None:
    """A token that was not issued finds no session."""
    start(user)
    assert sessions.find_session(token) is None


def test_idle_end(user: User) -> None:
    """A session that is not used for twelve hours ends; use puts that off."""
    with time_machine.travel(NOW, tick=False) as clock:
        token = start(user)
        for _ in range(3):
            clock.shift(IDLE - MILLISECOND)
            assert use(token)
        clock.shift(IDLE)
        assert not use(token)


def test_absolute_end(user: User) -> None:
    """A session ends after thirty days, however much it is used."""
    with time_machine.travel(NOW, tick=False) as clock:
        token = start(user)
        for _ in range(30 * 4 - 1):
            clock.shift(timedelta(hours=6))
            assert use(token)
        clock.shift(timedelta(hours=6) - MILLISECOND)
        assert use(token)
        clock.shift(MILLISECOND)
        assert not use(token)


def test_use_is_stored_once_a_minute(user: User) -> None:
    """Reading pages writes nothing, except when a minute has passed."""
    with time_machine.travel(NOW, tick=False) as clock:
        token = start(user)
        written = []
        for _ in range(9):
            clock.shift(timedelta(seconds=20))
            statements: list[str] = []
            with counting(statements):
                assert use(token, "192.0.2.9")
            written.append(any(one.startswith("UPDATE") for one in statements))
        assert written == [False, False, True] * 3
        [session] = sessions.list_sessions(user)
        assert session.seen_at == NOW + timedelta(minutes=3)
        assert session.address == "192.0.2.9"


def test_use_that_cannot_be_stored(app: Flask, user: User, logged: Logged) -> None:
    """A page is shown even if the database cannot be written to."""
    with time_machine.travel(NOW, tick=False) as clock:
        token = start(user)
        clock.shift(timedelta(minutes=2))
        session = sessions.find_session(token)
        assert session is not None
        # So that it is not read again without the table.
        db.session.expunge(session)
        db.session.rollback()
        with missing_table(db.engine, "user_session"):
            sessions.note_seen(session, "192.0.2.9")
        assert "could not store that a session is in use" in logged.text


def test_use_while_another_process_writes(user: User) -> None:
    """A page does not wait long for the lock of SQLite; PostgreSQL has none for all writers."""
    with time_machine.travel(NOW, tick=False) as clock:
        token = start(user)
        clock.shift(timedelta(minutes=2))
        with write_transaction(db.engine):
            assert use(token)
        [session] = sessions.list_sessions(user)
        is_locked = db.engine.dialect.name == "sqlite"
        assert (session.seen_at == NOW) == is_locked


def test_list_is_bounded(user: User) -> None:
    """Of many sessions, as of a script, the newest are listed."""
    begin_write()
    for _ in range(sessions.MAX_LISTED + 1):
        sessions.start_session(user, "curl", "192.0.2.1")
    db.session.commit()
    assert len(sessions.list_sessions(user)) == sessions.MAX_LISTED


def test_list(user: User) -> None:
    """The list has the user's own sessions that have not ended, the one seen last first."""
    begin_write()
    other = users.add_user("bob", "battery staple", Role.VIEWER)
    db.session.commit()
    with time_machine.travel(NOW, tick=False) as clock:
        start(user, "Safari on iPhone")
        clock.shift(IDLE - timedelta(hours=1))
        token = start(user, "Edge on Windows")
        start(other, "curl")
        clock.shift(timedelta(hours=1))
        start(user, "x" * 100, "y" * 100)
        clock.shift(timedelta(hours=1))
        use(token)
        found = sessions.list_sessions(user)
        assert [one.browser for one in found] == ["Edge on Windows", "x" * 64]
        assert found[1].address == "y" * 64


def test_end_one(user: User) -> None:
    """Ending a session leaves the others; nobody can end a session of another user."""
    begin_write()
    other = users.add_user("bob", "battery staple", Role.VIEWER)
    db.session.commit()
    tokens = [start(user), start(user)]
    session = sessions.find_session(tokens[0])
    assert session is not None
    session_id = session.id
    for ended_by, is_left in ((other, True), (user, False), (user, False)):
        begin_write()
        sessions.end_session(ended_by, session_id)
        db.session.commit()
        assert use(tokens[0]) == is_left
    assert use(tokens[1])


def test_end_all(user: User) -> None:
    """All sessions of a user end, or all but one; those of others do not."""
    begin_write()
    other = users.add_user("bob", "battery staple", Role.VIEWER)
    db.session.commit()
    others, tokens = start(other), [start(user) for _ in range(3)]
    kept = sessions.find_session(tokens[1])
    assert kept is not None
    keep = kept.id
    for ended, left in ((keep, [False, True, False]), (None, [False] * 3)):
        begin_write()
        sessions.end_sessions(user, keep=ended)
        db.session.commit()
        assert [use(token) for token in tokens] == left
    assert use(others)


def test_ended_rows_are_removed(user: User, settings: Settings) -> None:
    """A worker removes the rows of sessions that ended by age, also if retention is disabled."""
    start(user)
    begin_write()
    for row in db.session.scalars(select(UserSession)):
        row.seen_at = utc_now() - IDLE
    db.session.commit()
    token = start(user)
    scheduler = Scheduler(db.engine, settings.model_copy(update={"retention_days": 0}))
    scheduler.send_heartbeat()
    assert count_rows() == 2
    scheduler.remove_old()
    scheduler.close()
    assert count_rows() == 1
    assert use(token)


def test_removed_user_has_no_session(user: User) -> None:
    """The rows go with the user."""
    start(user)
    with write_transaction(db.engine) as connection:
        connection.execute(User.__table__.delete())
    assert count_rows() == 0
