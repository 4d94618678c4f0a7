"""Who calls, what this installation is, and which event types there are."""

from callevents.api.v1.call import Call
from callevents.api.v1.models import Answer, NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.users_models import UserRole, roles_of
from callevents.db.models import Pbx
from callevents.extensions import db

TAG = "About"


class Me(Answer):
    """The token or app of this request, and its owner."""

    #: 'token' or 'app'.
    kind: str
    id: str
    name: str
    user: str
    roles: list[UserRole]
    scopes: list[str]
    #: The PBX that the token is limited to.
    pbx: str | None


@operation(
    "GET",
    "/me",
    scope=None,
    summary="Get the token's owner and scopes",
    tag=TAG,
    answer=Me,
    answer_example={
        "kind": "token",
        "id": "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
        "name": "CRM import",
        "user": "olga",
        "roles": [{"role": "operator", "pbx": "head-office", "extension": None}],
        "scopes": ["hooks:read", "hooks:write"],
        "pbx": None,
    },
)
def get_me(call: Call[NoQuery, None]) -> Me:
    """Return the token or app with which you call, and what it may do.

    `roles` are those of the owner. The token may do what its scopes and these roles both allow.
    """
    principal = call.principal
    pbx = db.session.get(Pbx, principal.pbx_id) if principal.pbx_id is not None else None
    return Me(
        kind=principal.kind.value,
        id=principal.actor_id,
        name=principal.name,
        user=principal.user.username,
        roles=roles_of(principal.user),
        scopes=sorted(principal.scopes),
        pbx=pbx.slug if pbx else None,
    )
