"""What a new token or app gets: an owner, scopes and a PBX, none beyond those of the caller."""

from collections.abc import Collection
from typing import Any

from callevents.api.v1.call import Call
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import (
    ApiError,
    ProblemType,
    insufficient_scope,
)
from callevents.api.v1.reading import invalid_value
from callevents.api_access.delegation import find_missing_scopes, may_reach
from callevents.api_access.scopes import ApiScope, split_scopes
from callevents.db.models import ApiToken, OAuthApp, Pbx, User
from callevents.extensions import db
from callevents.users import users


def find_owner(call: Call[Any, Any], username: str | None) -> User:
    """Return the owner: by default that of the calling token; another one only for admins.

    Raises ApiError.
    """
    own = call.principal.user
    if username is None or users.normalize_username(username) == own.username:
        return own
    call.administer()
    user = users.find_user(users.normalize_username(username))
    if user is None:
        raise invalid_value("#/user", "There is no such user.")
    return user


def check_scopes(call: Call[Any, Any], scopes: Collection[ApiScope]) -> None:
    """Raise ApiError with 403 if the calling token may not pass these scopes on."""
    for scope in find_missing_scopes(call.principal, scopes):
        error = insufficient_scope(scope)
        needed = "hooks:read and hooks:write" if scope is ApiScope.UAPI else "it"
        error.detail = f"To pass on the scope {scope}, your token needs {needed} itself."
        raise error


def check_covers(call: Call[Any, Any], other: OAuthApp | ApiToken) -> None:
    """Raise ApiError with 403 if the app or token may do what the calling token may not.

    Its secret, or what users see of it when they allow it, would give the token more scopes; and
    with another expiry, it would have them for longer than its owner wants.
    """
    missing = find_missing_scopes(call.principal, split_scopes(other.scopes))
    if missing:
        detail = f"It has scopes that your token lacks: {', '.join(missing)}."
        raise ApiError(ProblemType.FORBIDDEN, detail)


def check_is_lasting(call: Call[Any, Any]) -> None:
    """Raise ApiError with 403 if the calling token expires: an app and its secret do not."""
    if call.principal.expires_at is not None:
        detail = (
            "Your token expires, and an app does not. Use a token without an expiry, the page "
            "'API access' or the command 'flask apps'."
        )
        raise ApiError(ProblemType.FORBIDDEN, detail)


def find_pbx(call: Call[Any, Any], slug: str | None) -> Pbx | None:
    """Return the PBX of that name, None for all; raises ApiError if the caller may not choose it.

    If the body has no `pbx`, it is the PBX that the calling token is limited to.
    """
    if "pbx" not in call.body.model_fields_set:
        pbx_id = call.principal.pbx_id
        return db.session.get_one(Pbx, pbx_id) if pbx_id is not None else None
    if slug is None:
        if not may_reach(call.principal, None):
            raise invalid_value("#/pbx", "Your token is limited to one PBX. Leave this out.")
        return None
    return find_named_pbx(call, slug, "#/pbx")
