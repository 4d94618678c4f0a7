"""Checks which app a request for a token comes from. A wrong secret is counted like a sign-in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from callevents.api_access.api_tokens import digest_of
from callevents.api_access.apps import find_app, is_secret_of
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode
from callevents.db.models import MAX_CLIENT_ID_LENGTH, OAuthApp
from callevents.extensions import db
from callevents.security.client_network import client_network
from callevents.users import delays

_CLIENT_ID = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_CLIENT_ID_LENGTH}}}")


@dataclass(frozen=True)
class Attempt:
    """The result of comparing a secret, for `finish`."""

    client_id: str
    secret_digest: str
    is_correct: bool
    #: The keys that failures are counted by.
    keys: Sequence[str]
    has_failed: bool


def compare(client_id: str, secret: str, address: str | None) -> Attempt:
    """Compare the secret; raises TooManyAttemptsError while this is blocked.

    Only reads: strangers cannot have it lock the database. `address` is None if many clients share
    it.
    """
    app = find_app(client_id) if _CLIENT_ID.fullmatch(client_id) else None
    is_known = app is not None and client_network(app.last_used_address) == client_network(
        address or ""
    )
    keys = delays.find_app_keys(client_id, address, is_known=is_known)
    has_failed = delays.check_not_blocked(keys)
    is_correct = app is not None and is_secret_of(app, secret)
    return Attempt(client_id, digest_of(secret), is_correct, keys, has_failed)


def finish(attempt: Attempt) -> OAuthApp:
    """Return the app, locked, if the secret is still correct.

    Else counts a failure and raises OAuthError; the caller commits even then. Also raises it for an
    app that gets no tokens now, and TooManyAttemptsError.
    """
    app = _lock(attempt) if attempt.is_correct else None
    if app is None:
        # Others may have failed at the same time.
        delays.check_not_blocked(attempt.keys)
        delays.count_failure(attempt.keys)
        raise OAuthError(OAuthErrorCode.INVALID_CLIENT, "Wrong client_id or client_secret.")
    if attempt.has_failed:
        delays.forgive(attempt.keys)
    check_usable(app)
    return app


def check_usable(app: OAuthApp) -> None:
    """Raise OAuthError if the app gets no tokens and no consent now."""
    if app.user.disabled_at is not None:
        sentence = "The owner of this app is disabled."
    elif app.pbx is not None and app.pbx.removing_at is not None:
        sentence = "The PBX of this app is being removed."
    else:
        return
    raise OAuthError(OAuthErrorCode.UNAUTHORIZED_CLIENT, sentence)


def _lock(attempt: Attempt) -> OAuthApp | None:
    """Return the app if the secret has not been changed since, nor can be until the commit.

    So a new secret ends all tokens that were issued with the old one.
    """
    found = db.session.scalars(
        select(OAuthApp)
        .join(OAuthApp.user)
        .outerjoin(OAuthApp.pbx)
        .options(contains_eager(OAuthApp.user), contains_eager(OAuthApp.pbx))
        .where(OAuthApp.id == attempt.client_id, OAuthApp.secret_digest == attempt.secret_digest)
        .with_for_update(read=True, of=OAuthApp)
        .execution_options(populate_existing=True)
    )
    return found.one_or_none()
