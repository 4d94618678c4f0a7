"""The last use of tokens and apps."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import time_machine

from callevents.api_access import apps
from callevents.api_access.app_tokens import issue_for_grant, issue_to_owner
from callevents.api_access.bearer import find_principal
from callevents.api_access.last_use import INTERVAL
from callevents.api_access.scopes import ApiScope
from callevents.audit.actor import ActorKind
from callevents.db.models import ApiToken, OAuthApp, OAuthGrant, User
from callevents.db.session import begin_write, write_transaction
from callevents.extensions import db
from tests.api_access.adding import add_app, add_token, add_user, allow
from tests.support.database_faults import lost_connection
from tests.support.log_capture import Logged
from tests.support.statement_count import counting

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
UAPI = frozenset({ApiScope.UAPI})


def last_use(used: ApiToken | OAuthApp | OAuthGrant) -> datetime | None:
    """Return the stored moment."""
    db.session.rollback()
    db.session.refresh(used)
    return used.last_used_at


def test_time_and_address_of_a_token(ana: User) -> None:
    """They are stored at most once a minute."""
    with time_machine.travel(NOW, tick=False) as clock:
        token, text = add_token(ana)
        assert last_use(token) is None
        assert find_principal(text, "192.0.2.7") is not None
        assert (last_use(token), token.last_used_address) == (NOW, "192.0.2.7")
        clock.move_to(NOW + INTERVAL - timedelta(milliseconds=1))
        statements: list[str] = []
        with counting(statements):
            find_principal(text, "192.0.2.8")
        assert [line for line in statements if line.startswith("UPDATE")] == []
        assert last_use(token) == NOW
        clock.move_to(NOW + INTERVAL)
        find_principal(text, "x" * 99)
        assert (last_use(token), token.last_used_address) == (NOW + INTERVAL, "x" * 64)


def test_unknown_token(ana: User) -> None:
    """Other texts find nobody."""
    _, text = add_token(ana)
    for other in (text + "x", "cea_", "", "f" * 64, "\0"):
        assert find_principal(other, "192.0.2.7") is None


def test_app_and_consent(ana: User) -> None:
    """A token of a consent notes the use of both, one for the owner that of the app."""
    bob = add_user("bob", "viewer")
    app = add_app(ana)
    grant = allow(bob, app)
    begin_write()
    own, allowed = issue_to_owner(app, UAPI), issue_for_grant(grant, UAPI)
    db.session.commit()
    principal = find_principal(own.access_token, "192.0.2.7")
    assert principal is not None
    assert (principal.kind, principal.name, principal.user) == (ActorKind.APP, "CRM", ana)
    assert last_use(app) is not None
    assert last_use(grant) is None
    principal = find_principal(allowed.access_token, "192.0.2.7")
    assert principal is not None
    assert principal.user.username == "bob"
    assert last_use(grant) is not None
    [listed] = apps.list_allowed(bob)
    assert listed.last_used_at == grant.last_used_at
    # A refresh token is no access token.
    assert find_principal(allowed.refresh_token, "192.0.2.7") is None


def test_request_does_not_fail_for_it(ana: User, logged: Logged) -> None:
    """If the last use cannot be stored, the token works all the same."""
    token, text = add_token(ana)
    db.session.rollback()
    with cannot_write():
        assert find_principal(text, "192.0.2.7") is not None
        db.session.rollback()
    assert "could not store that a token is in use" in logged.text
    assert last_use(token) is None


@contextmanager
def cannot_write() -> Iterator[None]:
    """SQLite: another writer does not end. PostgreSQL: the connection is lost at the UPDATE."""
    if db.engine.dialect.name == "sqlite":
        with write_transaction(db.engine):
            yield
    else:
        with lost_connection(db.engine, "UPDATE api_token"):
            yield
