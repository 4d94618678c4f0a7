"""OAuth 2.0 apps: add, find, list, change, remove."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hmac import compare_digest
from itertools import groupby
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select
from sqlalchemy.orm import contains_eager, joinedload

from callevents import audit
from callevents.api_access.api_tokens import check_reach, digest_of
from callevents.api_access.scopes import ApiScope, join_scopes, parse_scopes, split_scopes
from callevents.audit.targets import of_app
from callevents.db.models import MAX_URL_LENGTH, OAuthApp, OAuthGrant, OAuthToken, Pbx, User
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.validation import check_all, check_name

MAX_REDIRECT_URIS = 20
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def add_app(
    user: User,
    name: str,
    *,
    pbx: Pbx | None = None,
    scopes: Iterable[ApiScope | str] = (ApiScope.UAPI,),
    redirect_uris: Iterable[str] = (),
) -> tuple[OAuthApp, str]:
    """Add an app of the user; return it and its secret, which cannot be read again.

    Raises InvalidError about `name`, `scopes`, `pbx` or `redirect_uris`.
    """
    parse = partial(parse_scopes, list(scopes), is_limited=pbx is not None)
    uris = list(redirect_uris)
    check_all(
        partial(check_name, name),
        parse,
        partial(check_reach, user, pbx),
        partial(check_redirect_uris, uris),
    )
    secret = _new_secret()
    app = OAuthApp(
        # Hexadecimal, like the secret: VoipNow's clients encode an ID once more, or take few signs.
        id=secrets.token_hex(16),
        user_id=user.id,
        pbx_id=pbx.id if pbx else None,
        name=check_name(name),
        secret_digest=digest_of(secret),
        scopes=join_scopes(parse()),
        redirect_uris=check_redirect_uris(uris),
    )
    db.session.add(app)
    db.session.flush()
    after = {
        "owner": user.username,
        "scopes": app.scopes.split(),
        "pbx": pbx.slug if pbx else None,
        "redirect_uris": app.redirect_uris,
    }
    audit.record(audit.Action.APP_ADDED, of_app(app), after=after)
    return app, secret


def list_apps(owner: User | None = None) -> Sequence[OAuthApp]:
    """Return all apps, or those of the owner, by name, with their owners and PBXs."""
    loaded = joinedload(OAuthApp.user), joinedload(OAuthApp.pbx)
    query = select(OAuthApp).options(*loaded).order_by(OAuthApp.name, OAuthApp.id)
    if owner is not None:
        query = query.where(OAuthApp.user_id == owner.id)
    return db.session.scalars(query).all()


def find_app(app_id: str) -> OAuthApp | None:
    """Return the app with that client ID, or None."""
    return db.session.get(OAuthApp, app_id) if app_id.isprintable() else None


def get_app(app_id: str) -> OAuthApp:
    """Return the app with that client ID; raises NotFoundError."""
    app = find_app(app_id)
    if app is None:
        raise NotFoundError(f"There is no app with the ID {app_id[:40]!r}.")
    return app


def is_secret_of(app: OAuthApp, secret: str) -> bool:
    """Return True if this is the app's secret."""
    return compare_digest(app.secret_digest, digest_of(secret))


def change_app(
    app: OAuthApp,
    *,
    name: str | None = None,
    scopes: Iterable[ApiScope | str] | None = None,
    redirect_uris: Iterable[str] | None = None,
) -> None:
    """Change what is given; raises InvalidError as `add_app` does."""
    before = _values(app)
    chosen = list(app.scopes.split() if scopes is None else scopes)
    name = app.name if name is None else name
    uris = list(app.redirect_uris if redirect_uris is None else redirect_uris)
    parse = partial(parse_scopes, chosen, is_limited=app.pbx_id is not None)
    check_all(partial(check_name, name), parse, partial(check_redirect_uris, uris))
    app.name, app.scopes = check_name(name), join_scopes(parse())
    app.redirect_uris = check_redirect_uris(uris)
    audit.record_change(audit.Action.APP_CHANGED, of_app(app), before, _values(app))
    db.session.flush()


def rotate_secret(app: OAuthApp) -> str:
    """Give the app another secret and return it; the old one and its tokens are invalid at once.

    What users allowed stays: with the new secret the app refreshes its tokens.
    """
    secret = _new_secret()
    app.secret_digest = digest_of(secret)
    own = OAuthToken.app_id == app.id, OAuthToken.grant_id.is_(None)
    db.session.execute(delete(OAuthToken).where(*own))
    audit.record(audit.Action.APP_SECRET_CHANGED, of_app(app))
    return secret


def remove_app(app: OAuthApp) -> None:
    """Remove the app with its tokens and all consents."""
    audit.record(audit.Action.APP_REMOVED, of_app(app), before=_values(app))
    db.session.delete(app)
    db.session.flush()


@dataclass(frozen=True)
class AllowedApp:
    """What a user has allowed an app."""

    app: OAuthApp
    scopes: frozenset[ApiScope]
    #: When the user allowed it first.
    since: datetime
    last_used_at: datetime | None


def list_allowed(user: User) -> list[AllowedApp]:
    """Return what the user has allowed apps, by name of the app: all consents to one together.

    A scope that the app has lost since is left out: it allows nothing.
    """
    query = (
        select(OAuthGrant)
        .join(OAuthGrant.app)
        .options(contains_eager(OAuthGrant.app).joinedload(OAuthApp.pbx))
        .where(OAuthGrant.user_id == user.id, OAuthGrant.code_used_at.is_not(None))
        .order_by(OAuthApp.name, OAuthApp.id, OAuthGrant.id)
    )
    found = groupby(db.session.scalars(query), key=lambda grant: grant.app)
    return [_to_allowed(app, list(grants)) for app, grants in found]


def get_allowed(user: User, app_id: str) -> AllowedApp:
    """Return what the user has allowed the app; raises NotFoundError if that is nothing."""
    for allowed in list_allowed(user):
        if allowed.app.id == app_id:
            return allowed
    raise NotFoundError("This app has no access.")


def count_users(app: OAuthApp) -> int:
    """Return how many users have allowed the app."""
    users = select(func.count(OAuthGrant.user_id.distinct()))
    used = OAuthGrant.app_id == app.id, OAuthGrant.code_used_at.is_not(None)
    return db.session.scalar(users.where(*used)) or 0


def _to_allowed(app: OAuthApp, grants: Sequence[OAuthGrant]) -> AllowedApp:
    scopes = frozenset[ApiScope]().union(*(split_scopes(grant.scopes) for grant in grants))
    return AllowedApp(
        app=app,
        scopes=scopes & split_scopes(app.scopes),
        since=min(grant.created_at for grant in grants),
        last_used_at=max((one.last_used_at for one in grants if one.last_used_at), default=None),
    )


def revoke_access(user: User, app: OAuthApp) -> None:
    """Withdraw all that the user has allowed the app; its tokens are invalid at once."""
    found = OAuthGrant.user_id == user.id, OAuthGrant.app_id == app.id
    if db.session.scalar(select(OAuthGrant.id).where(*found).limit(1)) is None:
        raise NotFoundError(f"{app.name} has no access any more.")
    db.session.execute(delete(OAuthGrant).where(*found))
    audit.record(audit.Action.APP_ACCESS_REVOKED, of_app(app), before={"user": user.username})


def check_redirect_uris(uris: Iterable[str]) -> list[str]:
    """Return the URIs without repeats; raises InvalidError about `redirect_uris`.

    HTTPS, or HTTP to the user's own machine, without a fragment (RFC 6749, 3.1.2; RFC 8252, 7.3).
    """
    found = list(dict.fromkeys(uri.strip() for uri in uris if uri.strip()))
    if len(found) > MAX_REDIRECT_URIS:
        raise InvalidError.of("redirect_uris", f"Enter at most {MAX_REDIRECT_URIS} redirect URIs.")
    problems = [(number, _find_problem(uri)) for number, uri in enumerate(found, 1)]
    messages = [f"URI {number}: {problem}" for number, problem in problems if problem]
    if messages:
        raise InvalidError({"redirect_uris": messages})
    return found


def _find_problem(uri: str) -> str:
    """Return what is wrong with the URI, empty if nothing is."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        # Reading the port checks it.
        is_valid = parts.port != 0 and bool(host)
    except ValueError:
        is_valid, host, parts = False, "", urlsplit("")
    if not is_valid or len(uri) > MAX_URL_LENGTH or not uri.isascii() or not uri.isprintable():
        return "Enter a URL such as https://crm.example.com/oauth."
    if parts.fragment or "#" in uri or parts.username is not None or {" ", "\\"} & set(uri):
        return "A redirect URI has no fragment, no username and no blanks."
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        return "Use https; http is only for apps on the user's own machine."
    return ""


def _values(app: OAuthApp) -> dict[str, object]:
    return {
        "name": app.name,
        "scopes": app.scopes.split(),
        "redirect_uris": list(app.redirect_uris),
    }


def _new_secret() -> str:
    return secrets.token_hex(32)
