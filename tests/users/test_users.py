"""Users: add one, change the password."""

import pytest
from flask import Flask

from callevents.db.models import User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users import sessions, users
from callevents.users.grants import describe_grant
from callevents.users.hashing import hash_password
from tests.users.signing_in import PASSWORD, WRONG, sign_in


def test_first_user(app: Flask) -> None:
    """There are no users until one is added."""
    assert not users.has_users()
    begin_write()
    added = users.add_user("  Ana ", PASSWORD, Role.VIEWER)
    db.session.commit()
    assert users.has_users()
    assert (added.username, list(map(describe_grant, added.grants))) == ("ana", ["viewer"])
    assert PASSWORD not in added.password_hash
    assert added.password_hash.startswith("$argon2id$v=19$")


@pytest.mark.parametrize(
    ("username", "password", "errors"),
    [
        ("", PASSWORD, {"username": ["Enter a username."]}),
        ("  ", PASSWORD, {"username": ["Enter a username."]}),
        ("x" * 65, PASSWORD, {"username": ["Must be at most 64 characters (got 65)."]}),
        ("a\x00b", PASSWORD, {"username": ["Must not contain control characters."]}),
        ("ANA ", PASSWORD, {"username": ["A user named 'ana' already exists."]}),
        ("bob", "x" * 9, {"password": ["Must be 10 to 200 characters."]}),
        (
            "Bob.Smith",
            "bob-smith 1",
            {"password": ["Must not consist of the username, digits and punctuation only."]},
        ),
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


def test_changing_the_password_ends_all_sessions(user: User) -> None:
    """A new password invalidates the old one and all sessions."""
    begin_write()
    tokens = [sessions.start_session(user, "Firefox", "10.0.0.1") for _ in range(2)]
    db.session.commit()
    begin_write()
    users.change_password(user, hash_password("battery staple"))
    db.session.commit()
    assert [sessions.find_session(token) for token in tokens] == [None, None]
    assert sign_in() == WRONG
    assert sign_in(password="battery staple") == "ana"
