"""What users have allowed apps: one row an app, withdrawn as a whole."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from callevents.api_access import apps
from callevents.api_access.app_tokens import find_access_token, issue_for_grant, issue_to_owner
from callevents.api_access.scopes import ApiScope
from callevents.db.models import AuditEntry, OAuthGrant, User
from callevents.db.session import begin_write
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.users import lifecycle
from tests.api_access.adding import add_app, add_user, allow

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
HOOKS = ("hooks:read", "hooks:write", "calls:read")


def test_one_row_for_each_app(ana: User) -> None:
    """Consents to one app are put together; unused codes and other users' do not count."""
    bob = add_user("bob", "viewer")
    crm, wallboard = add_app(ana, "CRM", scopes=HOOKS), add_app(ana, "a wallboard")
    for days, scopes in ((2, "hooks:read"), (1, "hooks:write"), (3, "calls:read")):
        at = NOW + timedelta(days=days)
        allow(bob, crm, scopes, created_at=at, last_used_at=None if days == 1 else at)
    allow(bob, wallboard, is_used=False)
    allow(ana, wallboard)
    [found] = apps.list_allowed(bob)
    assert (found.app, found.scopes) == (crm, set(map(ApiScope, HOOKS)))
    assert found.since == NOW + timedelta(days=1)
    assert found.last_used_at == NOW + timedelta(days=3)
    assert [apps.count_users(app) for app in (crm, wallboard)] == [1, 1]
    assert [one.last_used_at for one in apps.list_allowed(ana)] == [None]
    with pytest.raises(NotFoundError):
        apps.get_allowed(bob, wallboard.id)
    assert apps.get_allowed(ana, wallboard.id).app is wallboard


def test_scope_that_the_app_has_lost(ana: User) -> None:
    """It allows nothing, so it is not listed."""
    app = add_app(ana, scopes=HOOKS)
    allow(ana, app, "hooks:read hooks:write")
    begin_write()
    apps.change_app(app, scopes=["hooks:read"])
    db.session.commit()
    [found] = apps.list_allowed(ana)
    assert found.scopes == {ApiScope.HOOKS_READ}


def test_revoked_access(ana: User) -> None:
    """All tokens for this user stop, and no others; the second time there is nothing to revoke."""
    bob = add_user("bob", "viewer")
    app = add_app(ana)
    of_bob, of_ana = [allow(user, app) for user in (bob, ana)]
    scopes = frozenset({ApiScope.UAPI})
    begin_write()
    tokens = [issue_for_grant(grant, scopes).access_token for grant in (of_bob, of_ana)]
    tokens.append(issue_to_owner(app, scopes).access_token)
    db.session.commit()
    begin_write()
    apps.revoke_access(bob, app)
    db.session.commit()
    assert [find_access_token(text) is not None for text in tokens] == [False, True, True]
    [entry] = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "app.access_revoked")
    ).all()
    assert (entry.object_name, entry.before) == ("CRM", {"user": "bob"})
    with pytest.raises(NotFoundError, match=r"^CRM has no access any more\.$"):
        apps.revoke_access(bob, app)


def test_disabled_owner(ana: User) -> None:
    """The app cannot act for a disabled owner, but still for others."""
    bob = add_user("bob", "viewer")
    app = add_app(bob)
    grant = allow(ana, app)
    scopes = frozenset({ApiScope.UAPI})
    begin_write()
    own = issue_to_owner(app, scopes).access_token
    other = issue_for_grant(grant, scopes).access_token
    lifecycle.disable_user(bob)
    db.session.commit()
    assert [find_access_token(text) is not None for text in (own, other)] == [False, True]


def test_removed_owner(ana: User) -> None:
    """The app goes with its owner, and what others have allowed it."""
    bob = add_user("bob", "viewer")
    app = add_app(bob)
    allow(ana, app)
    assert list(apps.list_apps(bob)) == [app]
    assert list(apps.list_apps(ana)) == []
    begin_write()
    lifecycle.remove_user(bob)
    db.session.commit()
    assert list(apps.list_apps()) == []
    assert db.session.scalar(select(func.count()).select_from(OAuthGrant)) == 0


def test_all_invalid_values_of_an_app(ana: User) -> None:
    """Each field has its sentence, and each URI its number; nothing is changed."""
    app = add_app(ana)
    uris = [
        *("https://crm.example.com/", "ftp://a/", "https://a/#x", "http://a/", "http://[/"),
        *("https://user@a/", "https://a/ b", "nonsense", "http://localhost:7/", "https://é/"),
    ]
    begin_write()
    with pytest.raises(InvalidError) as caught:
        apps.change_app(app, name="", scopes=["x"], redirect_uris=uris)
    assert list(caught.value.errors) == ["name", "scopes", "redirect_uris"]
    numbers = [text.partition(":")[0] for text in caught.value.errors["redirect_uris"]]
    assert numbers == ["URI 2", "URI 3", "URI 4", "URI 5", "URI 6", "URI 7", "URI 8", "URI 10"]
    assert (app.name, app.scopes, app.redirect_uris) == ("CRM", "uapi", [])
    apps.change_app(app, redirect_uris=[" https://a/ ", "", "https://a/", "http://127.0.0.1/x"])
    assert app.redirect_uris == ["https://a/", "http://127.0.0.1/x"]
