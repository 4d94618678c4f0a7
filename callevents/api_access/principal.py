"""Who a program's request comes from, and what it may do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from callevents.api_access.scopes import INSTALLATION_SCOPES, ApiScope
from callevents.audit.actor import Actor, ActorKind
from callevents.db.models import Grant, User
from callevents.enums import Right
from callevents.users.rights import Scope, is_allowed


@dataclass(frozen=True)
class Principal:
    """An API token or an app, for whose request the rights of its user count, as they are now.

    `id`: that of the token, or of app and user, as a key for limits and repeated requests.
    """

    id: str
    kind: ActorKind
    #: The ID and the name of the token or the app, for the history.
    actor_id: str
    name: str
    user: User
    scopes: frozenset[ApiScope]
    #: The user's grants, cut down to the PBX that the token is limited to.
    grants: Sequence[Grant]
    #: The PBX that the token is limited to; None: all.
    pbx_id: int | None = None
    #: When the token expires; None: it does not.
    expires_at: datetime | None = None

    def has_scope(self, scope: ApiScope) -> bool:
        """Return True if the token may be used for this."""
        if self.pbx_id is not None and scope in INSTALLATION_SCOPES:
            return False
        return scope in self.scopes

    def may(self, right: Right, pbx_id: int | None = None, extension_id: str | None = None) -> bool:
        """Return True if the user has the right for the extension, the PBX, or all PBXs (None)."""
        return is_allowed(self.grants, right, pbx_id, extension_id)

    def scope_of(self, right: Right) -> Scope:
        """Return that for which the user has the right."""
        return Scope.of(self.grants, right)

    def as_actor(self, address: str) -> Actor:
        """Return the actor for the history."""
        return Actor(self.kind, self.name, self.actor_id, address)


def limit_grants(grants: Iterable[Grant], pbx_id: int | None) -> list[Grant]:
    """Return the grants, cut down to the PBX; None: all of them unchanged."""
    if pbx_id is None:
        return list(grants)
    found = [grant for grant in grants if grant.pbx_id in (None, pbx_id)]
    return [grant if grant.pbx_id else Grant(role=grant.role, pbx_id=pbx_id) for grant in found]
