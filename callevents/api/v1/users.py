"""Users: list, add, show, change, remove."""

from typing import Any
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import ListQuery, NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.other_users import get_other
from callevents.api.v1.password_links import hand_over
from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api.v1.user_grants import find_roles
from callevents.api.v1.users_models import (
    LINK_EXAMPLE,
    ROLE_EXAMPLES,
    USER_EXAMPLE,
    CreatedUser,
    NewUser,
    User,
    UserChanges,
    roles_of,
)
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Grant
from callevents.db.models import User as UserRow
from callevents.extensions import db
from callevents.users import invitations, lifecycle, users

TAG = "Users"
LIST = "users"
CHANGES = frozenset({ProblemType.CONFLICT, ProblemType.PRECONDITION_FAILED})


def _hash_password(call: Call[NoQuery, NewUser]) -> str:
    """Return the hash of the new user's password; empty without one."""
    call.administer()
    password = call.body.password
    return "" if password is None else users.make_hash(password, call.body.username)


@operation(
    "GET",
    "/users",
    scope=ApiScope.USERS_READ,
    summary="List users",
    tag=TAG,
    query=ListQuery,
    answer=Page[User],
    answer_example={"data": [USER_EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_users(call: Call[ListQuery, None]) -> Page[User]:
    """Return all users with their roles. Only admins of all PBXs see and change users."""
    call.administer()
    grants = selectinload(UserRow.grants)
    rows = select(UserRow).options(grants.joinedload(Grant.pbx), grants.joinedload(Grant.extension))
    if start := find_start(call.query, LIST):
        rows = rows.where(UserRow.id < int(start))
    found = db.session.scalars(rows.order_by(UserRow.id.desc()).limit(call.query.limit + 1)).all()
    return make_page(call.query, LIST, found, lambda row: row.id, to_answer)


@operation(
    "POST",
    "/users",
    scope=ApiScope.USERS_WRITE,
    summary="Add a user",
    tag=TAG,
    status=201,
    body=NewUser,
    answer=CreatedUser,
    prepare=_hash_password,
    body_example={
        "username": "ben",
        "email": "ben@example.com",
        "roles": [{"role": "operator", "pbx": "head-office"}],
    },
    answer_example={
        **USER_EXAMPLE,
        "roles": ROLE_EXAMPLES[:1],
        "state": "invited",
        "last_sign_in_at": None,
        "invitation": LINK_EXAMPLE,
    },
    problems=frozenset({ProblemType.CONFLICT}),
)
def create_user(call: Call[NoQuery, NewUser]) -> Created:
    """Add a user with a password, or invite one.

    Without `password` the answer has a link with which the user sets one within 48 hours. It is
    also sent by e-mail if the user has an address, and CALLEVENTS_SMTP_URL and
    CALLEVENTS_PUBLIC_URL are set.

    A token with the scope `users:write` can add an admin. Treat it as you treat an admin's
    password.
    """
    call.administer()
    body, invitation = call.body, None
    if users.find_user(users.normalize_username(body.username)):
        raise ApiError(ProblemType.CONFLICT, "There is a user with this name already.")
    roles = find_roles(body.roles)
    if body.password is None:
        row, token = invitations.invite_user(body.username, body.email, roles)
        invitation = hand_over(call, row, token)
    else:
        row = users.add_user_with_hash(body.username, call.prepared, roles, email=body.email)
    made = CreatedUser(**_values_of(row), invitation=invitation)
    return Created(made, f"/users/{quote(row.username, safe='')}")


@operation(
    "GET",
    "/users/{username}",
    scope=ApiScope.USERS_READ,
    summary="Get a user",
    tag=TAG,
    answer=User,
    answer_example=USER_EXAMPLE,
    has_etag=True,
)
def get_user(call: Call[NoQuery, None], username: str) -> User:
    """Return a user with the user's roles."""
    call.administer()
    return to_answer(users.get_user(username))


@operation(
    "PATCH",
    "/users/{username}",
    scope=ApiScope.USERS_WRITE,
    summary="Change a user",
    tag=TAG,
    body=UserChanges,
    answer=User,
    body_example={"disabled": True},
    answer_example={**USER_EXAMPLE, "disabled": True, "state": "disabled"},
    has_etag=True,
    problems=CHANGES,
)
def update_user(call: Call[NoQuery, UserChanges], username: str) -> User:
    """Change the e-mail address, replace the roles, disable or enable a user.

    The last enabled admin of all PBXs stays one, and the owner of the calling token is changed by
    other admins only: both are 409.
    """
    row = get_other(call, username)
    call.check_match(to_answer(row))
    given = call.body.given()
    lifecycle.change_user(
        row,
        email=(given["email"] or "") if "email" in given else None,
        roles=find_roles(given["roles"]) if "roles" in given else None,
    )
    is_disabled = row.disabled_at is not None
    if "disabled" in given and bool(given["disabled"]) is not is_disabled:
        change = lifecycle.enable_user if is_disabled else lifecycle.disable_user
        change(row)
    return to_answer(row)


@operation(
    "DELETE",
    "/users/{username}",
    scope=ApiScope.USERS_WRITE,
    summary="Remove a user",
    tag=TAG,
    status=204,
    has_etag=True,
    problems=CHANGES,
)
def delete_user(call: Call[NoQuery, None], username: str) -> None:
    """Remove a user with all sessions, tokens and apps.

    The last enabled admin of all PBXs and the owner of the calling token stay: both are 409.
    """
    row = get_other(call, username)
    call.check_match(to_answer(row))
    lifecycle.remove_user(row)


def to_answer(row: UserRow) -> User:
    """Return the user as the API shows it."""
    return User(**_values_of(row))


def _values_of(row: UserRow) -> dict[str, Any]:
    return {
        "username": row.username,
        "email": row.email,
        "roles": roles_of(row),
        "disabled": row.disabled_at is not None,
        "state": row.state,
        "created_at": row.created_at,
        "last_sign_in_at": row.last_sign_in_at,
    }
