"""API tokens: list, create, show, revoke."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema
from sqlalchemy import ColumnElement, Select, and_, select, true
from sqlalchemy.orm import joinedload

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.delegation import check_scopes, find_owner, find_pbx, invalid_field
from callevents.api.v1.models import (
    Answer,
    Body,
    GivenMoment,
    ListQuery,
    Moment,
    NoQuery,
    Page,
    optional,
)
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.problems import FieldError, ProblemType, not_found
from callevents.api.v1.reading import DETAIL, invalid
from callevents.api_access import api_tokens
from callevents.api_access.delegation import may_last_until
from callevents.api_access.scopes import V1_SCOPES, ApiScope
from callevents.db.models import ApiToken as ApiTokenRow
from callevents.db.models import User, to_id
from callevents.enums import Right
from callevents.extensions import db
from callevents.users import users
from callevents.validation import MAX_NAME_LENGTH

TAG = "Tokens"
LIST = "tokens"


def _check_is_of_v1(scope: ApiScope) -> ApiScope:
    if scope not in V1_SCOPES:
        raise ValueError("An API token cannot have this scope.")
    return scope


#: A scope of this API.
V1Scope = Annotated[
    ApiScope,
    AfterValidator(_check_is_of_v1),
    WithJsonSchema({"type": "string", "enum": [scope.value for scope in V1_SCOPES]}),
]


class ApiToken(Answer):
    """An API token. Its text cannot be read again."""

    id: str
    name: str
    user: str = Field(description="The owner: the token may never do more.")
    scopes: list[V1Scope]
    pbx: str | None = Field(description="The PBX that it is limited to; null: all of the owner's.")
    begins_with: str = Field(description="The token's first characters.")
    created_at: Moment
    expires_at: Moment | None = Field(description="null: it does not expire.")
    last_used_at: Moment | None = Field(description="Up to a minute behind the last request.")
    last_used_address: str = Field(description="The client's IP address; empty: not used yet.")


class CreatedApiToken(ApiToken):
    """A new API token, with its text."""

    token: str = Field(description="What you send as Bearer. It is shown this once.")


class NewApiToken(Body):
    """An API token to create."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    scopes: list[V1Scope] = Field(min_length=1, description="At most those of the calling token.")
    user: str | None = optional(
        "The owner: by default that of the calling token. For another user the owner of the "
        "calling token must be an admin of all PBXs."
    )
    pbx: str | None = optional(
        "The PBX to limit it to; null: all of the owner's. By default as the calling token."
    )
    expires_at: GivenMoment | None = optional(
        "null: never. By default as the calling token, and never later than that."
    )


class ApiTokenQuery(ListQuery):
    """Which tokens to list."""

    user: str | None = optional("Only tokens of this user.")


EXAMPLE = {
    "id": "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
    "name": "CRM import",
    "user": "olga",
    "scopes": ["hooks:read", "hooks:write"],
    "pbx": "head-office",
    "begins_with": "cea_V7pX8",
    "created_at": "2026-03-01T09:30:00.000Z",
    "expires_at": "2026-06-01T00:00:00.000Z",
    "last_used_at": None,
    "last_used_address": "",
}


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
    expires_at = body.expires_at
    if "expires_at" not in body.model_fields_set:
        expires_at = principal.expires_at
    if not may_last_until(principal, expires_at):
        raise invalid_field("expires_at", "Must not be later than that of your token.")
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


def _get(call: Call[NoQuery, None], token_id: str, *, lock: bool = False) -> ApiTokenRow:
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


def _is_visible(call: Call[ApiTokenQuery, None] | Call[NoQuery, None]) -> ColumnElement[bool]:
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
        raise invalid(DETAIL, [FieldError("?user", "There is no such user.")])
    return user
