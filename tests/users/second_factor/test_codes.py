"""Codes of an app and recovery codes: each works once, and guesses are delayed."""

import threading
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from callevents.db.models import AppKey, RecoveryCode, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.errors import InvalidError, SignInError, TooManyAttemptsError
from callevents.extensions import db
from callevents.users import users
from callevents.users.delays import Client
from callevents.users.second_factor import app_codes, recovery_codes, second_factor
from tests.users.signing_in import PASSWORD, sign_in

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
STEP = timedelta(seconds=30)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
APP = pyotp.TOTP(SECRET)
WRONG = "Wrong code, or one that was used before."


@pytest.fixture
def user(app: Flask) -> User:
    """A user named ana who set up an app a day before NOW."""
    with time_machine.travel(NOW - timedelta(days=1), tick=False):
        begin_write()
        user = users.add_user("Ana", PASSWORD, Role.ADMIN)
        app_codes.set_up(user, SECRET, APP.now())
        db.session.commit()
    return user


def enter(user: User, code: str, address: str = "10.0.0.1", device_id: str | None = None) -> str:
    """Enter a code; return the error message, empty if it is accepted."""
    begin_write()
    try:
        second_factor.verify_code(user, code, Client(address, device_id))
    except (SignInError, TooManyAttemptsError) as error:
        return str(error)
    else:
        return ""
    finally:
        db.session.commit()


def test_current_code_is_accepted(user: User) -> None:
    """The code of now, and of one step before and after, however it is spaced."""
    with time_machine.travel(NOW, tick=False) as clock:
        for shift in (-1, 0, 1):
            assert enter(user, APP.at(NOW + shift * STEP)) == ""
        clock.shift(10 * STEP)
        code = APP.now()
        assert enter(user, f" {code[:3]} {code[3:]} ") == ""


def test_other_codes_are_refused(user: User) -> None:
    """Codes of two steps ago or ahead, and texts that are no codes."""
    with time_machine.travel(NOW, tick=False):
        for shift in (-2, 2):
            assert enter(user, APP.at(NOW + shift * STEP)) == WRONG
        for text in ("", "１２３４５６ä"):
            assert enter(user, text, device_id=text or "x") == WRONG


def test_code_works_once(user: User) -> None:
    """The same code is refused within its time, and so is an older one that was not used."""
    with time_machine.travel(NOW, tick=False) as clock:
        assert enter(user, APP.now()) == ""
        assert enter(user, APP.now()) == WRONG
        assert enter(user, APP.at(NOW - STEP)) == WRONG
        clock.shift(STEP)
        assert enter(user, APP.now()) == ""


def test_code_of_the_set_up_works_no_more(user: User) -> None:
    """The code that confirmed the set-up signs nobody in."""
    with time_machine.travel(NOW, tick=False):
        begin_write()
        app_codes.set_up(user, SECRET, APP.now())
        db.session.commit()
        assert enter(user, APP.now()) == WRONG


def test_same_code_at_the_same_time(app: Flask, user: User) -> None:
    """Of several requests with one code, one signs in."""
    barrier, found = threading.Barrier(4), []
    user_id, code = user.id, APP.at(NOW)

    def sign_in_with_code() -> None:
        with app.app_context():
            barrier.wait()
            begin_write()
            own = db.session.get(User, user_id)
            assert own
            found.append(app_codes.accept(own, code))
            db.session.commit()

    db.session.rollback()
    with time_machine.travel(NOW, tick=False):
        threads = [threading.Thread(target=sign_in_with_code) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [False, False, False, True]


def test_secret_is_stored_encrypted(user: User) -> None:
    """The database has no readable key and no readable recovery code."""
    begin_write()
    codes = recovery_codes.renew(user)
    db.session.commit()
    assert SECRET not in db.session.scalars(select(AppKey.secret)).one()
    digests = db.session.scalars(select(RecoveryCode.digest)).all()
    assert len(digests) == 10
    assert not {code.replace("-", "") for code in codes} & set(digests)


def test_wrong_code_sets_nothing_up(user: User) -> None:
    """A new app is stored only with its code; the former one keeps working."""
    begin_write()
    with time_machine.travel(NOW, tick=False):
        with pytest.raises(InvalidError, match="not the current code"):
            app_codes.set_up(user, app_codes.make_secret(), APP.now())
        db.session.rollback()
        assert enter(user, APP.now()) == ""


def test_recovery_codes_work_once(user: User) -> None:
    """Each code signs in once, however it is typed; new codes void the former ones."""
    begin_write()
    first, second, *_ = former = recovery_codes.renew(user)
    db.session.commit()
    assert len({*former}) == 10
    assert enter(user, first) == ""
    assert enter(user, first) == WRONG
    assert enter(user, second.replace("-", " ").upper()) == ""
    assert recovery_codes.count(user) == 8
    begin_write()
    recovery_codes.renew(user)
    db.session.commit()
    assert enter(user, former[2]) == WRONG


def test_recovery_codes_are_personal(user: User) -> None:
    """A code of one user is none of another."""
    begin_write()
    other = users.add_user("bob", PASSWORD, Role.VIEWER)
    code = recovery_codes.renew(user)[0]
    db.session.commit()
    assert enter(other, code) == WRONG
    assert enter(user, code) == ""


def test_guesses_are_delayed(user: User) -> None:
    """After four wrong codes each further one doubles the wait, whatever the password."""
    with time_machine.travel(NOW, tick=False):
        for number in range(5):
            assert enter(user, "000000", f"10.0.0.{number}") == WRONG
            assert sign_in(address="10.1.1.1") == "ana", "the password is right each time"
        refused = "Too many failed sign-ins. Try again in 1 second."
        assert enter(user, APP.now(), "10.9.9.9") == refused
        assert enter(user, APP.now(), "10.9.9.9", device_id="laptop") == "", "a known browser"


def test_turning_the_app_off(user: User) -> None:
    """Without an app and passkeys nothing is left, not even recovery codes."""
    begin_write()
    recovery_codes.renew(user)
    assert second_factor.has_any(user)
    second_factor.turn_off_app(user)
    db.session.commit()
    assert not second_factor.has_any(user)
    assert not second_factor.find(user)
    assert recovery_codes.count(user) == 0
