"""Roles as text: parsed and written the same way."""

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users import users
from callevents.users.grants import MAX_GRANTS, NewGrant, describe_grant, parse_grant, set_grants
from tests.conftest import Configure
from tests.users.signing_in import PASSWORD


@pytest.fixture(autouse=True)
def _extensions(configure: Configure) -> None:
    """Two extensions, one with colons in its number."""
    configure.extension("101")
    configure.extension("sip:101:a")


@pytest.mark.parametrize(
    "text",
    [
        "admin",
        "admin:head-office",
        "operator:head-office",
        "viewer",
        "self-service:head-office:101",
        "self-service:head-office:sip:101:a",
    ],
)
def test_roles_are_parsed_as_they_are_written(text: str) -> None:
    """The stored grant is described by the text that it was parsed from."""
    begin_write()
    user = users.add_user("ana", PASSWORD, parse_grant(text))
    db.session.commit()
    assert list(map(describe_grant, user.grants)) == [text]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no role ''. Use admin, operator, viewer, self-service."),
        ("Admin", "There is no role 'Admin'. Use admin, operator, viewer, self-service."),
        ("king:head-office", "There is no role 'king'. Use admin, operator, viewer, self-service."),
        ("operator:", "Enter a PBX after the colon in 'operator:'."),
        ("self-service::101", "Enter a PBX after the colon in 'self-service::101'."),
        (
            "self-service:head-office:",
            "Enter an extension after the colon in 'self-service:head-office:'.",
        ),
        ("admin:head-office:", "Enter an extension after the colon in 'admin:head-office:'."),
        ("admin::", "Enter a PBX after the colon in 'admin::'."),
        ("operator:nowhere", "There is no PBX 'nowhere'."),
        ("operator:\x00", "There is no PBX '\\x00'."),
        ("self-service:head-office:102", "Head office has no extension '102'."),
        ("self-service:head-office:\x00", "Head office has no extension '\\x00'."),
        *(
            (text, "The role self-service needs a PBX and an extension. Others take no extension.")
            for text in (
                "self-service",
                "self-service:head-office",
                "viewer:head-office:101",
            )
        ),
    ],
)
def test_wrong_roles_are_refused(text: str, sentence: str) -> None:
    """The sentence says what is wrong."""
    with pytest.raises(InvalidError) as caught:
        parse_grant(text)
    assert caught.value.errors == {"roles": [sentence]}


def test_number_of_roles_is_limited(app: object) -> None:
    """A user has at most MAX_GRANTS roles."""
    begin_write()
    user = users.add_user("ana", PASSWORD, Role.VIEWER)
    many = [NewGrant(Role.VIEWER, Pbx(name=str(n), slug=str(n))) for n in range(MAX_GRANTS + 1)]
    with pytest.raises(InvalidError, match="at most 100 roles"):
        set_grants(user, many)
    db.session.rollback()
