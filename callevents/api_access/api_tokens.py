"""API tokens: create, find, list, change, revoke."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
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
from callevents.enums import Right
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.users.rights import Scope
from callevents.validation import check_all, check_name

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

    Raises InvalidError about `name`, `scopes`, `pbx` or `expires_at`, and ConflictError if the user
    has MAX_TOKENS.
    """
    parse = partial(parse_scopes, list(scopes), allowed=V1_SCOPES, is_limited=pbx is not None)
    check_all(
        partial(check_name, name),
        parse,
        partial(check_reach, user, pbx),
        partial(_check_expiry, expires_at),
    )
    # Locked, so that concurrent requests count each other's tokens.
    db.session.execute(select(User.id).where(User.id == user.id).with_for_update())
    count = select(func.count()).where(ApiToken.user_id == user.id)
    if (db.session.scalar(count) or 0) >= MAX_TOKENS:
        raise ConflictError(f"{user.username} has {MAX_TOKENS} tokens. Revoke others first.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user_id=user.id,
        pbx_id=pbx.id if pbx else None,
        name=check_name(name),
        digest=digest_of(text),
        hint=text[:HINT_LENGTH],
        scopes=join_scopes(parse()),
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


def count_valid_tokens(user: User) -> int:
    """Return how many tokens of the user have not expired."""
    is_valid = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > utc_now())
    counted = select(func.count()).where(ApiToken.user_id == user.id, is_valid)
    return db.session.scalar(counted) or 0


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


def change_api_token(
    token: ApiToken, name: str, scopes: Iterable[ApiScope | str], expires_at: datetime | None
) -> None:
    """Change name, scopes and expiry; raises InvalidError as `add_api_token` does."""
    before, is_limited = _values(token), token.pbx_id is not None
    parse = partial(parse_scopes, list(scopes), allowed=V1_SCOPES, is_limited=is_limited)
    checks: list[Callable[[], object]] = [partial(check_name, name), parse]
    if expires_at != token.expires_at:
        checks.append(partial(_check_expiry, expires_at))
    check_all(*checks)
    token.name, token.scopes, token.expires_at = check_name(name), join_scopes(parse()), expires_at
    audit.record_change(audit.Action.API_TOKEN_CHANGED, of_api_token(token), before, _values(token))
    db.session.flush()


def revoke_api_token(token: ApiToken) -> None:
    """Make the token invalid at once; raises NotFoundError if somebody else has just done so."""
    target, before = of_api_token(token), {"owner": token.user.username}
    removed = delete(ApiToken).where(ApiToken.id == token.id).returning(ApiToken.id)
    if db.session.scalar(removed) is None:
        raise NotFoundError(f"The API token {target.name} has been revoked already.")
    audit.record(audit.Action.API_TOKEN_REVOKED, target, before=before)


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


def check_reach(user: User, pbx: Pbx | None) -> None:
    """Raise InvalidError about `pbx` if the user has no role there; None, all PBXs, is possible."""
    if pbx is not None and not Scope.of(user.grants, Right.SEE).touches(pbx.id):
        raise InvalidError.of("pbx", f"{user.username} has no role for {pbx.name}.")


def digest_of(text: str) -> str:
    """Return the SHA-256 of a token, which is stored instead of it."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= utc_now():
        raise InvalidError.of("expires_at", "Must be in the future.")


def _values(token: ApiToken) -> dict[str, object]:
    return {
        "name": token.name,
        "scopes": token.scopes.split(),
        "expires_at": token.expires_at,
    }
