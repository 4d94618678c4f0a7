"""`flask users reset-second-factor`, and keys of apps in `flask secrets rotate`."""

import pyotp
from sqlalchemy import select

from callevents.db.models import AppKey, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import cipher, db
from callevents.users import sessions, users
from callevents.users.second_factor import app_codes, recovery_codes, second_factor
from tests.cli.conftest import Run

SECRET = pyotp.random_base32()


def add_user() -> User:
    """Add a user with an app, recovery codes and a session."""
    begin_write()
    user = users.add_user("ana", "correct horse", Role.ADMIN)
    app_codes.set_up(user, SECRET, pyotp.TOTP(SECRET).now())
    recovery_codes.renew(user)
    sessions.start_session(user, "Firefox", "192.0.2.1")
    db.session.commit()
    return user


def test_reset(run: Run) -> None:
    """Nothing is left of the second factor, and no session either."""
    user = add_user()
    result = run("users", "reset-second-factor", " Ana")
    assert result.stdout == "Reset the second factor of ana and ended the user's sessions.\n"
    assert not second_factor.find(user)
    assert recovery_codes.count(user) == 0
    assert sessions.list_sessions(user) == []


def test_reset_of_nobody(run: Run) -> None:
    """A name that does not exist is an error."""
    result = run("users", "reset-second-factor", "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no user named 'nobody'.\n")


def test_keys_of_apps_are_rotated(run: Run) -> None:
    """The key is encrypted with the new key afterwards and still makes the same codes."""
    add_user()
    before = db.session.scalars(select(AppKey.secret)).one()
    assert run("secrets", "rotate").exit_code == 0
    after = db.session.scalars(select(AppKey.secret)).one()
    assert after != before
    assert cipher.bound.decrypt(after) == SECRET


def test_key_that_is_lost(run: Run) -> None:
    """A key that no encryption key decrypts is named with its user."""
    add_user()
    begin_write()
    db.session.scalars(select(AppKey)).one().secret = "lost"
    db.session.commit()
    assert "the authenticator app of ana" in run("secrets", "rotate").stdout
