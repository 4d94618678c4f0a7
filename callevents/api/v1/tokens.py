"""API tokens: list, create, show, change, revoke."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select, true
from sqlalchemy.orm import joinedload

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.delegation import (
    check_covers,
    check_scopes,
    find_owner,
    find_pbx,
)
from callevents.api.v1.models import NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api.v1.reading import invalid_value
from callevents.api.v1.tokens_models import (
    EXAMPLE,
    ApiToken,
    ApiTokenChanges,
    ApiTokenQuery,
    CreatedApiToken,
    NewApiToken,
)
from callevents.api_access import api_tokens
from callevents.api_access.delegation import may_last_until
from callevents.api_access.scopes import V1_SCOPES, ApiScope, split_scopes
from callevents.db.models import ApiToken as ApiTokenRow
from callevents.db.models import User, to_id
from callevents.enums import Right
from callevents.extensions import db
from callevents.users import users

TAG = "Tokens"
LIST = "tokens"


@operation(
    "GET",
    "/tokens",
    scope=ApiScope.TOKENS_READ,
    summary="List API tokens",
    tag=TAG,
    query=ApiTokenQuery,
    answer=Page[ApiToken],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_api_tokens(call: Call[ApiTokenQuery, None]) -> Page[ApiToken]:
    """Return the API tokens of the calling token's owner; for admins of all PBXs, those of all.

    A token that is limited to one PBX sees only tokens that are limited to the same one. Tokens
    that have expired are listed for another 30 days.
    """
    query, rows = call.query, _select().where(_is_visible(call)).order_by(ApiTokenRow.id.desc())
    if query.user is not None:
        rows = rows.where(ApiTokenRow.user_id == _find_listed_user(call, query.user).id)
    if start := find_start(query, LIST):
        rows = rows.where(ApiTokenRow.id < start)
    found = db.session.scalars(rows.limit(query.limit + 1)).all()
    return make_page(query, LIST, found, lambda row: row.id, to_answer)


@operation(
    "POST",
    "/tokens",
    scope=ApiScope.TOKENS_WRITE,
    summary="Create an API token",
    tag=TAG,
    status=201,
    body=NewApiToken,
    answer=CreatedApiToken,
    body_example={
        "name": "CRM import",
        "scopes": ["hooks:read", "hooks:write"],
        "pbx": "head-office",
        "expires_at": "2026-06-01T00:00:00Z",
    },
    answer_example={**EXAMPLE, "token": "cea_V7pX8mF2kQ0sYc3hT6rJ9wZ1bN5dL4gA7eU2iO0pK8s"},
    problems=frozenset({ProblemType.CONFLICT}),
)
def create_api_token(call: Call[NoQuery, NewApiToken]) -> Created:
    """Create an API token and return its text, which cannot be read again.

    It may never do more than the calling token: its scopes, its PBX and its time are at most those
    of the calling token. A user has at most 100 tokens.
    """
    body, principal = call.body, call.principal
    owner = find_owner(call, body.user)
    check_scopes(call, body.scopes)
    is_given = "expires_at" in body.model_fields_set
    expires_at = body.expires_at if is_given else principal.expires_at
    _check_expiry(call, expires_at)
    row, text = api_tokens.add_api_token(
        owner, body.name, body.scopes, pbx=find_pbx(call, body.pbx), expires_at=expires_at
    )
    made = CreatedApiToken(**to_answer(row).model_dump(), token=text)
    return Created(made, f"/tokens/{row.id}")


@operation(
    "GET",
    "/tokens/{token_id}",
    scope=ApiScope.TOKENS_READ,
    summary="Get an API token",
    tag=TAG,
    answer=ApiToken,
    answer_example=EXAMPLE,
    has_etag=True,
)
def get_api_token(call: Call[NoQuery, None], token_id: str) -> ApiToken:
    """Return an API token, without its text."""
    return to_answer(_get(call, token_id))


@operation(
    "PATCH",
    "/tokens/{token_id}",
    scope=ApiScope.TOKENS_WRITE,
    summary="Change an API token",
    tag=TAG,
    body=ApiTokenChanges,
    answer=ApiToken,
    body_example={"scopes": ["hooks:read"]},
    answer_example={**EXAMPLE, "scopes": ["hooks:read"]},
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def update_api_token(call: Call[NoQuery, ApiTokenChanges], token_id: str) -> ApiToken:
    """Change what the body names, at once. The owner, the PBX and the text of the token stay.

    The calling token needs all scopes that the token has, and those that it gets. It may change
    itself, but not get more or last longer.
    """
    row = _get(call, token_id, lock=True)
    call.check_match(to_answer(row))
    check_covers(call, row)
    given, stored = call.body.given(), split_scopes(row.scopes)
    scopes, expires_at = given.get("scopes", stored), given.get("expires_at", row.expires_at)
    gained = set(scopes) - stored
    check_scopes(call, gained)
    if gained or "expires_at" in given:
        _check_expiry(call, expires_at)
    api_tokens.change_api_token(row, given.get("name", row.name), scopes, expires_at)
    return to_answer(row)


@operation(
    "DELETE",
    "/tokens/{token_id}",
    scope=ApiScope.TOKENS_WRITE,
    summary="Revoke an API token",
    tag=TAG,
    status=204,
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_api_token(call: Call[NoQuery, None], token_id: str) -> None:
    """Make an API token invalid at once. The calling token may revoke itself."""
    row = _get(call, token_id, lock=True)
    call.check_match(to_answer(row))
    api_tokens.revoke_api_token(row)


def to_answer(row: ApiTokenRow) -> ApiToken:
    """Return the API token as the API shows it."""
    return ApiToken(
        id=row.id,
        name=row.name,
        user=row.user.username,
        scopes=[ApiScope(name) for name in row.scopes.split() if name in V1_SCOPES],
        pbx=row.pbx.slug if row.pbx else None,
        begins_with=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        last_used_address=row.last_used_address,
    )


def _check_expiry(call: Call[Any, Any], expires_at: datetime | None) -> None:
    if not may_last_until(call.principal, expires_at):
        raise invalid_value("#/expires_at", "Must not be later than that of your token.")


def _get(call: Call[Any, Any], token_id: str, *, lock: bool = False) -> ApiTokenRow:
    known = to_id(token_id)
    query = select(ApiTokenRow) if lock else _select()
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    of_id = query.where(ApiTokenRow.id == known, _is_visible(call))
    row = db.session.scalar(of_id) if known else None
    if row is None:
        raise not_found("token")
    return row


def _select() -> Select[ApiTokenRow]:
    return select(ApiTokenRow).options(joinedload(ApiTokenRow.user), joinedload(ApiTokenRow.pbx))


def _is_visible(call: Call[Any, Any]) -> ColumnElement[bool]:
    principal = call.principal
    if principal.may(Right.ADMINISTER):
        return true()
    own = ApiTokenRow.user_id == principal.user.id
    if principal.pbx_id is None:
        return own
    return and_(own, ApiTokenRow.pbx_id == principal.pbx_id)


def _find_listed_user(call: Call[ApiTokenQuery, None], username: str) -> User:
    name = users.normalize_username(username)
    own = call.principal.user
    if name == own.username:
        return own
    user = users.find_user(name) if call.principal.may(Right.ADMINISTER) else None
    if user is None:
        raise invalid_value("?user", "There is no such user.")
    return user
