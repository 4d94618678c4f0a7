"""API tokens: create, find, list, revoke."""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, delete, func, or_, select
from sqlalchemy.orm import joinedload

from callevents import audit
from callevents.api_access.principal import Principal, limit_grants
from callevents.api_access.scopes import (
    V1_SCOPES,
    ApiScope,
    join_scopes,
    parse_scopes,
    split_scopes,
)
from callevents.audit.actor import ActorKind
from callevents.audit.targets import of_api_token
from callevents.db.models import ApiToken, Pbx, User, utc_now
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.validation import check_name

TOKEN_PREFIX = "cea_"  # noqa: S105  # a prefix, no secret
HINT_LENGTH = 9
#: A limit against mistakes in scripts.
MAX_TOKENS = 100


def add_api_token(
    user: User,
    name: str,
    scopes: Iterable[ApiScope | str],
    *,
    pbx: Pbx | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Add a token of the user; return it and its text, which cannot be read again.

    Raises InvalidError about `name`, `scopes` or `expires_at`, and ConflictError if the user has
    MAX_TOKENS.
    """
    name = check_name(name)
    chosen = parse_scopes(scopes, allowed=V1_SCOPES)
    if expires_at is not None and expires_at <= utc_now():
        raise InvalidError.of("expires_at", "Must be in the future.")
    # Locked, so that concurrent requests count each other's tokens.
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())
    count = select(func.count()).where(ApiToken.user_id == user.id)
    if (db.session.scalar(count) or 0) >= MAX_TOKENS:
        raise ConflictError(f"{user.username} has {MAX_TOKENS} tokens. Revoke others first.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user_id=user.id,
        pbx_id=pbx.id if pbx else None,
        name=name,
        digest=digest_of(text),
        hint=text[:HINT_LENGTH],
        scopes=join_scopes(chosen),
        expires_at=expires_at,
    )
    db.session.add(token)
    db.session.flush()
    after = {
        "owner": user.username,
        "scopes": token.scopes.split(),
        "pbx": pbx.slug if pbx else None,
        "expires_at": expires_at,
    }
    audit.record(audit.Action.API_TOKEN_ADDED, of_api_token(token), after=after)
    return token, text


def list_api_tokens(user: User | None = None) -> Sequence[ApiToken]:
    """Return the tokens of the user, or all, newest first; those that have expired too."""
    query = select(ApiToken).options(joinedload(ApiToken.user), joinedload(ApiToken.pbx))
    if user is not None:
        query = query.where(ApiToken.user_id == user.id)
    return db.session.scalars(query.order_by(ApiToken.id.desc())).all()


def get_api_token(token_id: str, user: User | None = None) -> ApiToken:
    """Return the token with that ID, or beginning; only of `user` if given.

    Raises NotFoundError, and ConflictError if several begin so.
    """
    found = [one for one in list_api_tokens(user) if token_id in {one.id, one.hint}]
    if not found:
        raise NotFoundError(f"There is no API token {token_id[:40]!r}.")
    if len(found) > 1:
        raise ConflictError(f"Several tokens begin with {token_id}. Pass the ID of one.")
    return found[0]


def revoke_api_token(token: ApiToken) -> None:
    """Make the token invalid at once."""
    audit.record(audit.Action.API_TOKEN_REVOKED, of_api_token(token))
    db.session.delete(token)
    db.session.flush()


def find_api_token(text: str) -> ApiToken | None:
    """Return the valid token with that text, with its user and the user's grants, or None.

    Tokens of disabled users are not valid, nor those of a PBX that is being removed.
    """
    found = db.session.scalars(
        select(ApiToken)
        .join(ApiToken.user)
        .outerjoin(ApiToken.pbx)
        .options(joinedload(ApiToken.user).selectinload(User.grants))
        .where(
            ApiToken.digest == digest_of(text),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > utc_now()),
            User.disabled_at.is_(None),
            or_(ApiToken.pbx_id.is_(None), Pbx.removing_at.is_(None)),
        )
    )
    return found.one_or_none()


def principal_of(token: ApiToken) -> Principal:
    """Return whom a request with the token comes from."""
    return Principal(
        id=f"token:{token.id}",
        kind=ActorKind.TOKEN,
        actor_id=token.id,
        name=token.name,
        user=token.user,
        scopes=split_scopes(token.scopes),
        grants=limit_grants(token.user.grants, token.pbx_id),
        pbx_id=token.pbx_id,
        expires_at=token.expires_at,
    )


def remove_expired(connection: Connection, before: datetime) -> None:
    """Remove the rows of tokens that expired before that moment."""
    connection.execute(delete(ApiToken).where(ApiToken.expires_at < before))


def digest_of(text: str) -> str:
    """Return the SHA-256 of a token, which is stored instead of it."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
