"""Users: add, sign in with a growing delay, change the password."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import func, select

from callevents import users
from callevents.db.models import SignInFailure, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.errors import InvalidError, SignInError, TooManyAttemptsError
from callevents.extensions import db
from tests.support.database_faults import before_statement
from tests.support.statement_count import counting

PASSWORD = "correct horse"
WRONG = "Wrong username or password."
NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _quick_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with the real cost only here, so other tests are fast."""
    if request.function in {test_sign_in, test_first_user}:
        monkeypatch.setattr(users, "_hasher", PasswordHasher())
        return
    unknown = users._hasher.hash("nobody has this password")
    monkeypatch.setattr(users, "_dummy_hash", lambda: unknown)


@pytest.fixture
def user(app: Flask) -> User:
    """A user named ana."""
    begin_write()
    user = users.add_user("Ana", PASSWORD, Role.ADMIN)
    db.session.commit()
    return user


def sign_in(username: str = "ana", password: str = PASSWORD, address: str = "10.0.0.1") -> str:
    """Sign in as the page does; return the username, or the error message."""
    begin_write()
    try:
        return users.sign_in(users.verify_password(username, password, address)).username
    except (SignInError, TooManyAttemptsError) as error:
        return str(error)
    finally:
        db.session.commit()


def test_first_user(app: Flask) -> None:
    """There are no users until one is added."""
    assert not users.has_users()
    begin_write()
    added = users.add_user("  Ana ", PASSWORD, Role.VIEWER)
    db.session.commit()
    assert users.has_users()
    assert (added.username, added.role, added.is_admin) == ("ana", Role.VIEWER, False)
    assert PASSWORD not in added.password_hash
    assert added.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    ("username", "password", "errors"),
    [
        ("", PASSWORD, {"username": ["Enter a username."]}),
        ("  ", PASSWORD, {"username": ["Enter a username."]}),
        ("x" * 65, PASSWORD, {"username": ["Must be at most 64 characters (got 65)."]}),
        ("a\x00b", PASSWORD, {"username": ["Must not contain control characters."]}),
        ("ANA ", PASSWORD, {"username": ["A user named 'ana' already exists."]}),
        ("bob", "x" * 7, {"password": ["Must be 8 to 200 characters."]}),
        ("bob", "x" * 201, {"password": ["Must be 8 to 200 characters."]}),
    ],
)
def test_wrong_users_are_refused(
    user: User, username: str, password: str, errors: dict[str, list[str]]
) -> None:
    """Names and passwords have rules; two spellings of a name are one user."""
    begin_write()
    with pytest.raises(InvalidError) as caught:
        users.add_user(username, password, Role.VIEWER)
    assert caught.value.errors == errors


@pytest.mark.slow
def test_sign_in(user: User) -> None:
    """The username is case-insensitive."""
    assert sign_in("  ANA ") == "ana"
    for wrong in ("", PASSWORD.upper(), PASSWORD + " ", "x" * 5000, "\x00"):
        assert sign_in(password=wrong, address=wrong) == WRONG


@pytest.mark.parametrize("username", ["nobody", "", "ana\x00", "\x00", "x" * 5000])
def test_unknown_users_are_refused_in_the_same_words(user: User, username: str) -> None:
    """The message never says which of username and password is wrong, on any database."""
    assert sign_in(username) == WRONG
    assert sign_in(password="wrong password") == WRONG


def test_unknown_users_take_the_same_path(user: User) -> None:
    """An unknown user and a wrong password take the same queries."""
    made = []
    for username in ("ana", "nobody"):
        statements: list[str] = []
        with counting(statements):
            assert sign_in(username, "wrong password", username) == WRONG
        made.append(statements)
    assert made[0] == made[1]


@pytest.mark.parametrize("by", ["account", "address"])
def test_delay_grows(user: User, by: str) -> None:
    """After four failures each further one doubles the wait, up to five minutes."""
    expected = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    if by == "address":
        expected = expected[:7]
    with time_machine.travel(NOW, tick=False) as clock:
        for place, seconds in enumerate(expected):
            # Either the same account from everywhere, or all accounts from one address.
            username = "ana" if by == "account" else f"user{place}"
            address = f"10.0.0.{place}" if by == "account" else "10.0.0.1"
            assert sign_in(username, "wrong password", address) == WRONG
            if not seconds:
                continue
            unit = "second" if seconds == 1 else "seconds"
            refused = f"Too many failed sign-ins. Try again in {seconds} {unit}."
            known = "ana" if by == "account" else "bob"
            new_address = "10.9.9.9" if by == "account" else "10.0.0.1"
            assert sign_in(known, PASSWORD, new_address) == refused, "right, but too early"
            clock.shift(timedelta(seconds=seconds, milliseconds=-1))
            assert sign_in(known, PASSWORD, new_address).startswith("Too many"), "still"
            clock.shift(timedelta(milliseconds=1))


def test_refused_attempts_do_not_prolong_the_wait(user: User) -> None:
    """An attempt during the delay does not prolong it."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(6):
            sign_in(password="wrong password")
            clock.shift(timedelta(seconds=1))
        for _ in range(10):
            assert sign_in().startswith("Too many")
        clock.shift(timedelta(seconds=1))
        assert sign_in() == "ana"


def test_success_forgives_the_account_and_not_the_address(user: User) -> None:
    """A sign-in resets the failures of the account, but not of the address."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(4):
            sign_in(password="wrong password")
        assert sign_in() == "ana"
        sign_in(password="wrong password", address="10.0.0.2")
        assert sign_in(address="10.0.0.2") == "ana"
        assert sign_in("nobody") == WRONG
        assert sign_in().startswith("Too many"), "the address has failed five times"
        clock.shift(timedelta(seconds=1))
        assert sign_in() == "ana"


def test_failures_are_forgotten_after_an_hour(user: User) -> None:
    """Old failures do not count and are removed."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(4):
            sign_in(password="wrong password")
        clock.shift(timedelta(hours=1, milliseconds=1))
        sign_in("bob", "wrong password", "10.0.0.2")
        assert db.session.scalar(select(func.count()).select_from(SignInFailure)) == 2
        sign_in(password="wrong password")
        assert sign_in() == "ana"


def test_neither_names_nor_addresses_are_stored(user: User) -> None:
    """Failures are stored under digests that reveal neither account nor address."""
    sign_in("secret-name", "wrong password", "10.11.12.13")
    keys = db.session.scalars(select(SignInFailure.key)).all()
    assert len(keys) == 2
    assert all(len(key) == 64 and "secret" not in key for key in keys)


def test_failures_at_the_same_time_all_count(app: Flask, user: User) -> None:
    """Concurrent failures all count, and none raises an error."""
    barrier, found = threading.Barrier(4), []

    def guess() -> None:
        with app.app_context():
            barrier.wait()
            found.append(sign_in(password="wrong password"))

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WRONG] * 4
    db.session.rollback()
    counts = db.session.scalars(select(SignInFailure.count)).all()
    assert counts == [4, 4]


def test_first_failure_at_the_same_time(app: Flask, user: User) -> None:
    """Two concurrent first failures both count, and none raises an error."""

    def be_faster() -> None:
        thread = threading.Thread(target=in_context)
        thread.start()
        thread.join()

    def in_context() -> None:
        with app.app_context():
            assert sign_in(password="wrong password") == WRONG

    if db.engine.dialect.name == "sqlite":
        # Writers take turns there, so that the one is always done when the other begins.
        be_faster()
        assert sign_in(password="wrong password") == WRONG
    else:
        with before_statement(db.engine, "INSERT INTO sign_in_failure", be_faster):
            assert sign_in(password="wrong password") == WRONG
    assert db.session.scalars(select(SignInFailure.count)).all() == [2, 2]


def test_changing_the_password_ends_other_sessions(user: User) -> None:
    """A new password invalidates the old one and all other sessions."""
    session_id = user.get_id()
    assert users.find_user(session_id) is user
    begin_write()
    users.change_password(user, users.hash_new_password(user, PASSWORD, "battery staple"))
    db.session.commit()
    assert users.find_user(session_id) is None
    assert users.find_user(user.get_id()) is user
    assert sign_in() == WRONG
    assert sign_in(password="battery staple") == "ana"


@pytest.mark.parametrize(
    ("current", "new", "errors"),
    [
        ("wrong password", "x" * 8, {"current": ["Current password is incorrect."]}),
        (PASSWORD, "x" * 7, {"new": ["Must be 8 to 200 characters."]}),
    ],
)
def test_wrong_password_changes(
    user: User, current: str, new: str, errors: dict[str, list[str]]
) -> None:
    """A wrong current or invalid new password is rejected and changes nothing."""
    session_id = user.get_id()
    with pytest.raises(InvalidError) as caught:
        users.hash_new_password(user, current, new)
    assert caught.value.errors == errors
    assert users.find_user(session_id) is user


@pytest.mark.parametrize("session_id", ["", "1", "1.", ".1", "1.2", "2.1", "x.1", "1.x", "-1.1"])
def test_other_sessions_find_nobody(user: User, session_id: str) -> None:
    """An invalid session ID finds no user."""
    assert user.get_id() == "1.1"
    assert users.find_user(session_id) is None


def test_old_hashes_are_renewed(user: User) -> None:
    """A hash with weaker parameters is replaced at the next sign-in."""
    weak = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash(PASSWORD)
    user.password_hash = weak
    db.session.commit()
    assert sign_in() == "ana"
    assert user.password_hash != weak
    renewed = user.password_hash
    assert sign_in() == "ana"
    assert user.password_hash == renewed


def test_broken_hash_lets_nobody_in(user: User) -> None:
    """A malformed hash counts as a wrong password, not as an error."""
    user.password_hash = "nonsense"
    db.session.commit()
    assert sign_in() == WRONG
