"""OAuth 2.0 apps: add, find, list, change, remove."""

import secrets
from collections.abc import Iterable, Sequence
from hmac import compare_digest
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from callevents import audit
from callevents.api_access.api_tokens import digest_of
from callevents.api_access.scopes import ApiScope, join_scopes, parse_scopes
from callevents.audit.targets import of_app
from callevents.db.models import MAX_URL_LENGTH, OAuthApp, OAuthGrant, OAuthToken, Pbx, User
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.validation import check_name

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

    Raises InvalidError about `name`, `scopes` or `redirect_uris`.
    """
    secret = _new_secret()
    app = OAuthApp(
        # Hexadecimal, like the secret: VoipNow's clients encode an ID once more, or take few signs.
        id=secrets.token_hex(16),
        user_id=user.id,
        pbx_id=pbx.id if pbx else None,
        name=check_name(name),
        secret_digest=digest_of(secret),
        scopes=join_scopes(parse_scopes(scopes)),
        redirect_uris=check_redirect_uris(redirect_uris),
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


def list_apps() -> Sequence[OAuthApp]:
    """Return all apps by name, with their owners and PBXs."""
    loaded = joinedload(OAuthApp.user), joinedload(OAuthApp.pbx)
    query = select(OAuthApp).options(*loaded).order_by(OAuthApp.name, OAuthApp.id)
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
    if name is not None:
        app.name = check_name(name)
    if scopes is not None:
        app.scopes = join_scopes(parse_scopes(scopes))
    if redirect_uris is not None:
        app.redirect_uris = check_redirect_uris(redirect_uris)
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


def list_grants(user: User) -> Sequence[OAuthGrant]:
    """Return what the user has allowed apps, newest first."""
    query = select(OAuthGrant).options(joinedload(OAuthGrant.app))
    used = OAuthGrant.code_used_at.is_not(None)
    return db.session.scalars(
        query.where(OAuthGrant.user_id == user.id, used).order_by(OAuthGrant.id.desc())
    ).all()


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
    for uri in found:
        _check_redirect_uri(uri)
    return found


def _check_redirect_uri(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        # Reading the port checks it.
        is_valid = parts.port != 0 and bool(host)
    except ValueError:
        is_valid, host, parts = False, "", urlsplit("")
    if not is_valid or len(uri) > MAX_URL_LENGTH or not uri.isascii() or not uri.isprintable():
        raise InvalidError.of("redirect_uris", "Enter URLs such as https://crm.example.com/oauth.")
    if parts.fragment or "#" in uri or parts.username is not None or {" ", "\\"} & set(uri):
        raise InvalidError.of(
            "redirect_uris", "A redirect URI has no fragment, no username and no blanks."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise InvalidError.of(
            "redirect_uris", "Use https; http is only for apps on the user's own machine."
        )


def _values(app: OAuthApp) -> dict[str, object]:
    return {
        "name": app.name,
        "scopes": app.scopes.split(),
        "redirect_uris": list(app.redirect_uris),
    }


def _new_secret() -> str:
    return secrets.token_hex(32)
