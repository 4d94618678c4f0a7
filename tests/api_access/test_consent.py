"""Authorization codes and refresh tokens: each works once, and a second use revokes all."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from callevents.api_access import apps, client_check, consent
from callevents.api_access.app_tokens import Issued, issue_to_owner, remove_expired
from callevents.api_access.authorization import find_target, read_request
from callevents.api_access.oauth_error import OAuthError
from callevents.api_access.scopes import ApiScope
from callevents.audit import Action
from callevents.db.models import AuditEntry, OAuthGrant, OAuthToken, Pbx, User, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import removal
from callevents.users import lifecycle, users
from tests.support.database_faults import meanwhile
from tests.support.oauth_app import (
    BACK,
    CHALLENGE,
    VERIFIER,
    AppKey,
    add_app,
    add_user,
    issue_own,
    scopes_of,
)

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
UAPI = frozenset({ApiScope.UAPI})
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still."""
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def allow(key: AppKey, username: str = "bob", **more: str) -> str:
    """Have the user allow what the app asks for; return the code."""
    begin_write()
    asked = {name: [value] for name, value in key.asks(**more).items()}
    code = consent.allow(users.get_user(username), read_request(find_target(asked), asked))
    db.session.commit()
    return code


def attempt(key: AppKey, act: Callable[[object], Issued]) -> Issued | str:
    """Do it as the route does; return the error's code, if there is one."""
    begin_write()
    try:
        found = client_check.finish(client_check.compare(key.id, key.secret, "10.0.0.1"))
        return act(found)
    except OAuthError as error:
        return error.code
    finally:
        db.session.commit()


def exchange(key: AppKey, code: str, verifier: str = "", back: str = BACK) -> Issued | str:
    """Exchange the code."""
    return attempt(key, lambda app: consent.exchange_code(app, code, back, verifier))  # type: ignore[arg-type]


def refresh(key: AppKey, text: str, wanted: str = "") -> Issued | str:
    """Use a refresh token."""
    return attempt(key, lambda app: consent.refresh(app, text, wanted))  # type: ignore[arg-type]


def get(found: Issued | str) -> Issued:
    """Return the tokens that must have been issued."""
    assert isinstance(found, Issued), found
    return found


def count(model: type[OAuthGrant | OAuthToken]) -> int:
    """Return the number of rows."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def history(action: Action) -> list[AuditEntry]:
    """Return the entries of the action."""
    db.session.rollback()
    found = select(AuditEntry).where(AuditEntry.action == action.value)
    return list(db.session.scalars(found))


def test_code(crm: AppKey, bob: User) -> None:
    """A code gives tokens for the user who allowed it; what is stored reveals none of them."""
    code = allow(crm, scope="uapi")
    issued = get(exchange(crm, code))
    assert (issued.expires_in, issued.scopes) == (3600, {ApiScope.UAPI})
    assert scopes_of(issued.access_token) == "uapi"
    assert scopes_of(issued.refresh_token) is None, "it is no access token"
    stored = db.session.scalars(select(OAuthToken)).all()
    assert {one.user_id for one in stored} == {bob.id}
    texts = {code, issued.access_token, issued.refresh_token}
    digests = {one.digest for one in stored} | set(
        db.session.scalars(select(OAuthGrant.code_digest))
    )
    assert len(digests) == 3
    assert not texts & digests
    [entry] = history(Action.APP_ALLOWED)
    assert (entry.object_name, entry.object_id) == ("CRM", crm.id)
    assert entry.after == {"user": "bob", "scopes": ["uapi"], "redirect_uri": BACK}
    assert not any(text in f"{entry.after}" for text in texts)


def test_code_works_once(crm: AppKey, bob: User) -> None:
    """Used twice, it has been stolen: its tokens are revoked, and others of the app are not."""
    other, own = get(exchange(crm, allow(crm))), issue_own(crm)
    code = allow(crm)
    issued = get(exchange(crm, code))
    assert exchange(crm, code) == "invalid_grant"
    assert scopes_of(issued.access_token) is None
    assert refresh(crm, issued.refresh_token) == "invalid_grant"
    assert exchange(crm, code) == "invalid_grant"
    [entry] = history(Action.APP_ACCESS_REVOKED)
    assert entry.before == {"user": "bob"}
    assert entry.after == {"reason": "An authorization code was used twice."}
    assert scopes_of(other.access_token) == scopes_of(own.access_token) == "uapi hooks:read"


def test_code_used_again_after_hours(crm: AppKey, bob: User, clock: time_machine.Traveller) -> None:
    """That it was used is remembered as long as a token of it is valid."""
    code = allow(crm)
    issued = get(exchange(crm, code))
    clock.shift(timedelta(days=7))
    with write_transaction(db.engine) as connection:
        remove_expired(connection, utc_now())
    assert exchange(crm, code) == "invalid_grant"
    assert refresh(crm, issued.refresh_token) == "invalid_grant"
    assert (count(OAuthGrant), count(OAuthToken)) == (0, 0)


def test_code_expires(crm: AppKey, bob: User, clock: time_machine.Traveller) -> None:
    """A code lives for ten minutes."""
    in_time, late = allow(crm), allow(crm)
    clock.shift(timedelta(minutes=10, milliseconds=-1))
    get(exchange(crm, in_time))
    clock.shift(timedelta(milliseconds=1))
    assert exchange(crm, late) == "invalid_grant"
    with write_transaction(db.engine) as connection:
        remove_expired(connection, utc_now() + timedelta(milliseconds=1))
    assert count(OAuthGrant) == 1


def test_code_of_another_app(crm: AppKey, bob: User) -> None:
    """Another app gets nothing for it, and does not spoil it; nor does a wrong address."""
    code, fax = allow(crm), add_app("ana", "Fax")
    assert exchange(fax, code) == "invalid_grant"
    assert exchange(crm, code, back="https://crm.example.com/back") == "invalid_grant"
    assert exchange(crm, "unknown") == exchange(crm, "\ud800") == "invalid_grant"
    issued = get(exchange(crm, code))
    assert exchange(fax, code) == "invalid_grant"
    assert refresh(fax, issued.refresh_token) == "invalid_grant"
    assert scopes_of(issued.access_token) is not None


def test_pkce(crm: AppKey, bob: User) -> None:
    """With a challenge only its verifier is accepted; without one, none."""
    code = allow(crm, **PKCE)
    for wrong in ("", "x" * 43, CHALLENGE, f"{VERIFIER} ", "\ud800"):
        assert exchange(crm, code, wrong) == "invalid_grant"
    get(exchange(crm, code, VERIFIER))
    code = allow(crm)
    assert exchange(crm, code, VERIFIER) == "invalid_grant", "the challenge was removed"
    get(exchange(crm, code))


def test_refresh(crm: AppKey, bob: User, clock: time_machine.Traveller) -> None:
    """Each refresh token works once, for 60 days; the access tokens before stay valid."""
    first = get(exchange(crm, allow(crm)))
    clock.shift(timedelta(days=60, milliseconds=-1))
    second = get(refresh(crm, first.refresh_token))
    third = get(refresh(crm, second.refresh_token))
    assert scopes_of(first.access_token) is None, "it has expired"
    assert scopes_of(second.access_token) == scopes_of(third.access_token) == "uapi hooks:read"
    clock.shift(timedelta(days=60))
    assert refresh(crm, third.refresh_token) == "invalid_grant"


def test_refresh_token_used_twice(crm: AppKey, bob: User) -> None:
    """All that followed from the user's consent is revoked."""
    first = get(exchange(crm, allow(crm)))
    second = get(refresh(crm, first.refresh_token))
    other = get(exchange(crm, allow(crm)))
    assert refresh(crm, first.refresh_token) == "invalid_grant"
    assert scopes_of(second.access_token) is None
    assert refresh(crm, second.refresh_token) == "invalid_grant"
    [entry] = history(Action.APP_ACCESS_REVOKED)
    assert entry.after == {"reason": "A refresh token was used twice."}
    get(refresh(crm, other.refresh_token))


def test_other_tokens_do_not_refresh(crm: AppKey, bob: User) -> None:
    """An access token or a code is no refresh token, and presenting it changes nothing."""
    code = allow(crm)
    issued = get(exchange(crm, code))
    for wrong in (issued.access_token, code, "unknown", "\0", "\ud800"):
        assert refresh(crm, wrong) == "invalid_grant"
    get(refresh(crm, issued.refresh_token))


def test_narrowed_scope(crm: AppKey, bob: User) -> None:
    """An access token can be for less, and the next one for all again; never for more."""
    first = get(exchange(crm, allow(crm)))
    second = get(refresh(crm, first.refresh_token, "uapi"))
    assert scopes_of(second.access_token) == "uapi"
    assert refresh(crm, second.refresh_token, "uapi users:read") == "invalid_scope"
    third = get(refresh(crm, second.refresh_token))
    assert scopes_of(third.access_token) == "uapi hooks:read"


def test_scopes_taken_from_the_app(crm: AppKey, bob: User) -> None:
    """What an admin takes from the app, it gets no more; if nothing is left, no token."""
    code = allow(crm, scope="hooks:read")
    issued = get(exchange(crm, allow(crm)))
    begin_write()
    apps.change_app(crm.load(), scopes=["uapi"])
    db.session.commit()
    assert exchange(crm, code) == "invalid_grant"
    assert get(refresh(crm, issued.refresh_token)).scopes == {ApiScope.UAPI}


def test_disabled_user(crm: AppKey, bob: User) -> None:
    """A disabled user's codes and tokens do not work; after enabling they do."""
    code, issued = allow(crm), get(exchange(crm, allow(crm)))
    for change in (lifecycle.disable_user, lifecycle.enable_user):
        begin_write()
        change(users.get_user("bob"))
        db.session.commit()
        if change is lifecycle.disable_user:
            assert exchange(crm, code) == refresh(crm, issued.refresh_token) == "invalid_grant"
            assert scopes_of(issued.access_token) is None
    get(exchange(crm, code))
    get(refresh(crm, issued.refresh_token))


def test_revoked_access(crm: AppKey, bob: User) -> None:
    """Neither tokens nor codes work after the user has revoked the access."""
    code, issued = allow(crm), get(exchange(crm, allow(crm)))
    begin_write()
    apps.revoke_access(users.get_user("bob"), crm.load())
    db.session.commit()
    assert scopes_of(issued.access_token) is None
    assert exchange(crm, code) == refresh(crm, issued.refresh_token) == "invalid_grant"


def test_removed_user(crm: AppKey, bob: User) -> None:
    """Everything that the user has allowed goes with the user."""
    issued = get(exchange(crm, allow(crm)))
    begin_write()
    lifecycle.remove_user(users.get_user("bob"))
    db.session.commit()
    assert refresh(crm, issued.refresh_token) == "invalid_grant"
    assert (count(OAuthGrant), count(OAuthToken)) == (0, 0)


def test_pbx_removed_while_the_user_decides(ana: User, bob: User, pbx: Pbx) -> None:
    """An app cannot be allowed if its PBX is being removed, even if the page is open already."""
    phones = add_app("ana", "Phones", pbx=pbx)
    asked = {name: [value] for name, value in phones.asks().items()}
    opened = read_request(find_target(asked), asked)
    begin_write()
    removal.begin_removal(db.session.get_one(Pbx, pbx.id), "head-office")
    db.session.commit()
    begin_write()
    with pytest.raises(OAuthError, match="This PBX has been removed") as caught:
        consent.allow(users.get_user("bob"), opened)
    assert caught.value.code == "unauthorized_client"


@pytest.mark.parametrize("kind", ["code", "refresh"])
@pytest.mark.parametrize("others", [1, 3])
def test_same_secret_at_the_same_time(
    app: Flask, crm: AppKey, bob: User, kind: str, others: int
) -> None:
    """Exactly one request wins; for the others it is the second use, which revokes all."""
    code = allow(crm)
    secret = code if kind == "code" else get(exchange(crm, code)).refresh_token
    start, found = threading.Barrier(others + 1), []
    act = exchange if kind == "code" else refresh

    def run() -> None:
        with app.app_context():
            start.wait()
            found.append(act(crm, secret))

    threads = [threading.Thread(target=run) for _ in range(others + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [one for one in found if isinstance(one, Issued)]
    assert [one for one in found if one is not winner] == ["invalid_grant"] * others
    assert scopes_of(winner.access_token) is None
    assert (count(OAuthGrant), len(history(Action.APP_ACCESS_REVOKED))) == (0, 1)


@pytest.mark.parametrize("kind", ["code", "refresh"])
def test_second_use_before_the_first_is_stored(
    app: Flask, crm: AppKey, bob: User, kind: str
) -> None:
    """A second request that comes just before the first one's tokens are stored waits for them."""
    code = allow(crm)
    secret = code if kind == "code" else get(exchange(crm, code)).refresh_token
    act, later = (exchange if kind == "code" else refresh), []

    def use_again() -> None:
        with app.app_context():
            later.append(act(crm, secret))

    with meanwhile(db.engine, "INSERT INTO oauth_token", use_again):
        first = get(act(crm, secret))
    assert later == ["invalid_grant"]
    assert scopes_of(first.access_token) is None


def test_revoked_at_the_same_time(app: Flask, crm: AppKey, bob: User) -> None:
    """A user who revokes the access while it is refreshed ends that token too."""
    issued = get(exchange(crm, allow(crm)))

    def revoke() -> None:
        with app.app_context():
            begin_write()
            apps.revoke_access(users.get_user("bob"), crm.load())
            db.session.commit()

    with meanwhile(db.engine, "INSERT INTO oauth_token", revoke):
        second = get(refresh(crm, issued.refresh_token))
    assert scopes_of(second.access_token) is None
    assert count(OAuthToken) == 0


@pytest.mark.parametrize("username", ["ana", "bob"])
def test_user_removed_at_the_same_time(app: Flask, crm: AppKey, bob: User, username: str) -> None:
    """The owner of the app, or the user who has allowed it: the removal waits for the token."""
    issued = get(exchange(crm, allow(crm)))
    add_user("carla", Role.ADMIN)

    def remove() -> None:
        with app.app_context():
            begin_write()
            lifecycle.remove_user(lifecycle.lock_user(username))
            db.session.commit()

    with meanwhile(db.engine, "INSERT INTO oauth_token", remove):
        if username == "bob":
            second = get(refresh(crm, issued.refresh_token))
        else:
            second = get(attempt(crm, lambda own: issue_to_owner(own, UAPI)))  # type: ignore[arg-type]
    assert scopes_of(second.access_token) is None
    assert count(OAuthToken) == 0
