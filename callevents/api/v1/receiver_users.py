"""The user maps of receivers: get, replace, and fetch from the receiver."""

from collections.abc import Mapping

from callevents.api.v1.call import Call
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.pbx_lookup import lock_pbx_of, read_pbx
from callevents.api.v1.problems import ProblemType
from callevents.api.v1.reading import invalid_value
from callevents.api.v1.receiver_models import NewUserMap, ShownUser, UserMap
from callevents.api.v1.receiver_values import find_receiver, pointing_at_fields
from callevents.api.v1.receivers import TAG
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.enums import Right
from callevents.pbxs.pbxs import find_pbx
from callevents.receivers import users
from callevents.receivers.fetching import fetch_users

USERS = [{"extension": "101", "user": "anna@example.com"}]


@operation(
    "GET",
    "/receivers/{receiver}/users/{slug}",
    scope=ApiScope.RECEIVERS_READ,
    summary="Get the user map of a receiver",
    tag=TAG,
    answer=UserMap,
    answer_example={"users": USERS},
    has_etag=True,
)
def get_receiver_users(call: Call[NoQuery, None], receiver: str, slug: str) -> UserMap:
    """Return who the extensions of a PBX are in the receiver."""
    return _to_map(find_receiver(call, receiver), read_pbx(call, slug))


@operation(
    "PUT",
    "/receivers/{receiver}/users/{slug}",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Replace the user map of a receiver",
    tag=TAG,
    body=NewUserMap,
    answer=UserMap,
    body_example={"users": USERS},
    answer_example={"users": USERS},
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def set_receiver_users(call: Call[NoQuery, NewUserMap], receiver: str, slug: str) -> UserMap:
    """Replace who the extensions of a PBX are in the receiver; an empty list removes all."""
    found = find_receiver(call, receiver)
    pbx = lock_pbx_of(call, slug, Right.EDIT_EXTENSIONS)
    call.check_match(_to_map(found, pbx))
    wanted = {one.extension.strip(): one.user.strip() for one in call.body.users}
    if len(wanted) < len(call.body.users):
        raise invalid_value("#/users", "Each extension may appear only once.")
    with pointing_at_fields():
        users.replace_users(found, pbx, wanted)
    return _to_map(found, pbx)


@operation(
    "POST",
    "/receivers/{receiver}/users/{slug}/fetch",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Fetch the users from a receiver",
    tag=TAG,
    answer=UserMap,
    is_external=True,
    answer_example={"users": USERS},
    problems=frozenset({ProblemType.CONFLICT}),
)
def fetch_receiver_users(call: Call[NoQuery, None], receiver: str, slug: str) -> UserMap:
    """Ask the receiver who has which extension, and return its answer. The user map stays as it is.

    To store it, add it to the user map and send that. 409 if the recipe cannot fetch users (see its
    `can_fetch_users`), if the receiver returned no list, or if your previous test or fetch is still
    running.
    """
    found = find_receiver(call, receiver)
    pbx = call.see_pbx(find_pbx(slug), Right.EDIT_EXTENSIONS)
    return _of(fetch_users(found, pbx, call.principal.user.id))


def _of(users_by_number: Mapping[str, str]) -> UserMap:
    return UserMap(
        users=[ShownUser(extension=number, user=user) for number, user in users_by_number.items()]
    )


def _to_map(receiver: models.Receiver, pbx: models.Pbx) -> UserMap:
    return _of(users.list_users(receiver, pbx))
