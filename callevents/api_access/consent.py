"""Authorization codes: a user allows an app, which exchanges the code for tokens, once."""

import secrets
from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import contains_eager

from callevents import audit
from callevents.api_access.api_tokens import digest_of
from callevents.api_access.app_tokens import Issued, issue_for_grant
from callevents.api_access.authorization import AuthorizationRequest, narrow
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode
from callevents.api_access.scopes import ApiScope, join_scopes, split_scopes
from callevents.audit.targets import of_app
from callevents.db.locks import lock_pbx
from callevents.db.models import OAuthApp, OAuthGrant, OAuthToken, User, utc_now
from callevents.enums import OAuthTokenKind
from callevents.errors import NotFoundError
from callevents.extensions import db

CODE_TIME = timedelta(minutes=10)
CODE_BYTES = 32

log = structlog.get_logger("callevents.api_access")


def allow(user: User, request: AuthorizationRequest) -> str:
    """Store that the user allows what the app asks for; return the code for the app.

    Raises OAuthError if the app's PBX is being removed.
    """
    app, redirect_uri = request.target.app, request.target.redirect_uri
    if app.pbx_id is not None:
        _lock_pbx(app)
    code = secrets.token_hex(CODE_BYTES)
    grant = OAuthGrant(
        app_id=app.id,
        user_id=user.id,
        scopes=join_scopes(request.scopes),
        code_digest=digest_of(code),
        code_expires_at=utc_now() + CODE_TIME,
        redirect_uri=redirect_uri,
        code_challenge=request.code_challenge,
    )
    db.session.add(grant)
    after = {"user": user.username, "scopes": grant.scopes.split(), "redirect_uri": redirect_uri}
    audit.record(audit.Action.APP_ALLOWED, of_app(app), after=after)
    db.session.flush()
    return code


def exchange_code(app: OAuthApp, code: str, redirect_uri: str, verifier: str) -> Issued:
    """Return the first tokens for a code; the caller commits even if OAuthError is raised.

    A code that is used again has been stolen: the grant is removed, and so are its tokens.
    """
    found = (
        select(OAuthGrant)
        .join(OAuthGrant.user)
        .options(contains_eager(OAuthGrant.user))
        .where(OAuthGrant.code_digest == digest_of(code), OAuthGrant.app_id == app.id)
        .with_for_update(of=OAuthGrant)
    )
    grant = db.session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if grant is None:
        raise _invalid("The code is unknown.")
    if grant.code_used_at is not None:
        _revoke(grant, app, "An authorization code was used twice.")
        raise _invalid("The code has been used before. All tokens that followed are revoked.")
    _check_code(grant, redirect_uri, verifier)
    scopes = _find_scopes(grant, app)
    grant.code_used_at = utc_now()
    return issue_for_grant(grant, scopes)


def refresh(app: OAuthApp, text: str, wanted: str) -> Issued:
    """Return new tokens for a refresh token; `wanted`: the scopes, empty for all.

    The caller commits even if OAuthError is raised. Each refresh token works once. One that is used
    again has been stolen: the grant is removed, and so are its tokens.
    """
    found = (
        select(OAuthGrant, OAuthToken)
        .join(OAuthToken, OAuthToken.grant_id == OAuthGrant.id)
        .join(OAuthGrant.user)
        .options(contains_eager(OAuthGrant.user))
        .where(
            OAuthToken.digest == digest_of(text),
            OAuthToken.kind == OAuthTokenKind.REFRESH,
            OAuthToken.app_id == app.id,
        )
        # In the order in which a removal of the grant locks them.
        .with_for_update(of=[OAuthGrant, OAuthToken])
    )
    row = db.session.execute(found.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise _invalid("The refresh token is unknown or revoked.")
    grant, token = row
    if token.used_at is not None:
        _revoke(grant, app, "A refresh token was used twice.")
        raise _invalid("The refresh token has been used before. All tokens are revoked.")
    if token.expires_at <= utc_now():
        raise _invalid("The refresh token has expired.")
    scopes = narrow(_find_scopes(grant, app), wanted)
    token.used_at = utc_now()
    return issue_for_grant(grant, scopes)


def _lock_pbx(app: OAuthApp) -> None:
    try:
        lock_pbx(db.session.connection(), app.pbx_id or 0)
    except NotFoundError as error:
        raise OAuthError(OAuthErrorCode.UNAUTHORIZED_CLIENT, str(error)) from None


def _check_code(grant: OAuthGrant, redirect_uri: str, verifier: str) -> None:
    if grant.code_expires_at <= utc_now():
        raise _invalid("The code has expired.")
    if grant.redirect_uri != redirect_uri:
        raise _invalid("The redirect_uri is not that of the request for the code.")
    # A verifier without a challenge: somebody has removed it (RFC 9700, section 4.8.2).
    if bool(grant.code_challenge) != bool(verifier):
        needed = "needs" if grant.code_challenge else "must not have"
        raise _invalid(f"This code {needed} a code_verifier.")
    if grant.code_challenge and not compare_digest(grant.code_challenge, _challenge_of(verifier)):
        raise _invalid("The code_verifier is wrong.")


def _challenge_of(verifier: str) -> str:
    digest = sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _find_scopes(grant: OAuthGrant, app: OAuthApp) -> frozenset[ApiScope]:
    """Return what both the user and the admin allow now; raises OAuthError if that is nothing."""
    if grant.user.disabled_at is not None:
        raise _invalid("The user is disabled.")
    scopes = split_scopes(grant.scopes) & split_scopes(app.scopes)
    if not scopes:
        raise _invalid("The app no longer has any of the scopes that the user allowed.")
    return scopes


def _revoke(grant: OAuthGrant, app: OAuthApp, reason: str) -> None:
    """Remove the grant with all its tokens."""
    before, after = {"user": grant.user.username}, {"reason": reason}
    audit.record(audit.Action.APP_ACCESS_REVOKED, of_app(app), before=before, after=after)
    db.session.execute(delete(OAuthGrant).where(OAuthGrant.id == grant.id))
    log.warning("access of an app revoked", app=app.id, reason=reason)


def _invalid(sentence: str) -> OAuthError:
    return OAuthError(OAuthErrorCode.INVALID_GRANT, sentence)
