"""Tokens of OAuth 2.0 apps: issue, find, remove."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, exists, or_, select
from sqlalchemy.orm import joinedload

from callevents.api_access.api_tokens import digest_of
from callevents.api_access.principal import Principal, limit_grants
from callevents.api_access.scopes import ApiScope, join_scopes, split_scopes
from callevents.audit.actor import ActorKind
from callevents.db.models import OAuthApp, OAuthGrant, OAuthToken, Pbx, User, utc_now
from callevents.enums import OAuthTokenKind
from callevents.extensions import db

#: As VoipNow has it.
ACCESS_TIME = timedelta(hours=1)
#: A refresh token that is not used for so long expires.
REFRESH_TIME = timedelta(days=60)
TOKEN_BYTES = 32


@dataclass(frozen=True)
class Issued:
    """Tokens that were issued; they cannot be read again."""

    access_token: str
    expires_in: int
    scopes: frozenset[ApiScope]
    #: Empty for the grant `client_credentials`.
    refresh_token: str = ""


def issue_to_owner(app: OAuthApp, scopes: frozenset[ApiScope]) -> Issued:
    """Issue an access token with which the app acts for its owner."""
    text = _add(app, app.user_id, None, OAuthTokenKind.ACCESS, scopes, ACCESS_TIME)
    db.session.flush()
    return Issued(text, int(ACCESS_TIME.total_seconds()), scopes)


def issue_for_grant(grant: OAuthGrant, scopes: frozenset[ApiScope]) -> Issued:
    """Issue an access token and a refresh token for what a user has allowed.

    `scopes` are those of the access token; with the refresh token the app can get all again.
    """
    of_grant = grant.app, grant.user_id, grant.id
    text = _add(*of_grant, OAuthTokenKind.ACCESS, scopes, ACCESS_TIME)
    allowed = split_scopes(grant.scopes)
    refresh = _add(*of_grant, OAuthTokenKind.REFRESH, allowed, REFRESH_TIME)
    db.session.flush()
    return Issued(text, int(ACCESS_TIME.total_seconds()), scopes, refresh)


def find_access_token(text: str) -> OAuthToken | None:
    """Return the valid access token with that text, with its app, user and grants, or None.

    Tokens of disabled users are not valid, nor those of apps for a PBX that is being removed.
    """
    found = db.session.scalars(
        select(OAuthToken)
        .join(OAuthToken.app)
        .join(OAuthToken.user)
        .outerjoin(OAuthApp.pbx)
        .options(
            joinedload(OAuthToken.app),
            joinedload(OAuthToken.grant),
            joinedload(OAuthToken.user).selectinload(User.grants),
        )
        .where(
            OAuthToken.digest == digest_of(text),
            OAuthToken.kind == OAuthTokenKind.ACCESS,
            OAuthToken.expires_at > utc_now(),
            User.disabled_at.is_(None),
            or_(OAuthApp.pbx_id.is_(None), Pbx.removing_at.is_(None)),
        )
    )
    return found.one_or_none()


def principal_of(token: OAuthToken) -> Principal:
    """Return whom a request with the token comes from.

    It may do what the app may do now, if its scopes have been reduced since.
    """
    app = token.app
    return Principal(
        id=f"app:{app.id}:{token.user_id}",
        kind=ActorKind.APP,
        actor_id=app.id,
        name=app.name,
        user=token.user,
        scopes=split_scopes(token.scopes) & split_scopes(app.scopes),
        grants=limit_grants(token.user.grants, app.pbx_id),
        pbx_id=app.pbx_id,
        expires_at=token.expires_at,
    )


def remove_expired(connection: Connection, now: datetime) -> None:
    """Remove the rows of tokens that have expired, and of consents from which nothing followed."""
    connection.execute(delete(OAuthToken).where(OAuthToken.expires_at < now))
    left = exists().where(OAuthToken.grant_id == OAuthGrant.id)
    connection.execute(delete(OAuthGrant).where(OAuthGrant.code_expires_at < now, ~left))


def _add(
    app: OAuthApp,
    user_id: int,
    grant_id: str | None,
    kind: OAuthTokenKind,
    scopes: frozenset[ApiScope],
    lifetime: timedelta,
) -> str:
    # Hexadecimal: VoipNow's own client takes only letters, digits, _, - and dots.
    text = secrets.token_hex(TOKEN_BYTES)
    now = utc_now()
    token = OAuthToken(
        digest=digest_of(text),
        app_id=app.id,
        grant_id=grant_id,
        user_id=user_id,
        kind=kind,
        scopes=join_scopes(scopes),
        created_at=now,
        expires_at=now + lifetime,
    )
    db.session.add(token)
    return text
