"""The roles of a user: show them, replace them, and find those that a body names."""

from collections.abc import Sequence

from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.other_users import get_other
from callevents.api.v1.problems import FieldError, ProblemType
from callevents.api.v1.reading import DETAIL, MAX_ERRORS, invalid
from callevents.api.v1.users_models import (
    ROLE_EXAMPLES,
    GivenRole,
    NewUserGrants,
    UserGrants,
    roles_of,
)
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Extension, Pbx
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.users import lifecycle, users
from callevents.users.grants import NewGrant, check_grant

TAG = "Users"
CHANGES = frozenset({ProblemType.CONFLICT, ProblemType.PRECONDITION_FAILED})


@operation(
    "GET",
    "/users/{username}/grants",
    scope=ApiScope.USERS_READ,
    summary="Get the roles of a user",
    tag=TAG,
    answer=UserGrants,
    answer_example={"roles": ROLE_EXAMPLES},
    has_etag=True,
)
def get_user_grants(call: Call[NoQuery, None], username: str) -> UserGrants:
    """Return the roles of a user."""
    call.administer()
    return UserGrants(roles=roles_of(users.get_user(username)))


@operation(
    "PUT",
    "/users/{username}/grants",
    scope=ApiScope.USERS_WRITE,
    summary="Replace the roles of a user",
    tag=TAG,
    body=NewUserGrants,
    answer=UserGrants,
    body_example={"roles": ROLE_EXAMPLES},
    answer_example={"roles": ROLE_EXAMPLES},
    has_etag=True,
    problems=CHANGES,
)
def set_user_grants(call: Call[NoQuery, NewUserGrants], username: str) -> UserGrants:
    """Replace all roles of a user by these. What is refused: see the operation updateUser."""
    row = get_other(call, username)
    call.check_match(UserGrants(roles=roles_of(row)))
    lifecycle.change_roles(row, find_roles(call.body.roles))
    return UserGrants(roles=roles_of(row))


def find_roles(given: Sequence[GivenRole]) -> list[NewGrant]:
    """Return the roles; raises ApiError, which points to each wrong one."""
    found: list[NewGrant] = []
    errors: list[FieldError] = []
    for index, one in enumerate(given):
        role = _find_role(one, f"#/roles/{index}")
        if isinstance(role, FieldError):
            errors.append(role)
        else:
            found.append(role)
    if errors:
        raise invalid(DETAIL, errors[:MAX_ERRORS])
    return found


def _find_role(given: GivenRole, pointer: str) -> NewGrant | FieldError:
    pbx = pbxs.find_pbx(given.pbx) if given.pbx else None
    if given.pbx and pbx is None:
        return FieldError(f"{pointer}/pbx", "There is no such PBX.")
    extension = _find_extension(pbx, given.extension) if pbx and given.extension else None
    if given.extension and extension is None:
        return FieldError(f"{pointer}/extension", "The PBX has no such extension.")
    grant = NewGrant(given.role, pbx, extension)
    try:
        check_grant(grant)
    except InvalidError as error:
        return FieldError(pointer, str(error))
    return grant


def _find_extension(pbx: Pbx, number: str) -> Extension | None:
    if not number.isprintable():
        return None
    found = select(Extension).where(Extension.pbx_id == pbx.id, Extension.number == number)
    extension: Extension | None = db.session.scalar(found)
    return extension
