"""What a token or an app may pass on to those that it adds: never more than it has itself.

It is about the scopes, the PBX and the time of the caller. The rights of the owner need no check
here: a token never does more than its owner may, and only admins of all PBXs choose another owner.
"""

from collections.abc import Iterable
from datetime import datetime

from callevents.api_access.principal import Principal
from callevents.api_access.scopes import ApiScope

#: VoipNow's UnifiedAPI manages requests, and nothing else.
SAME_AS_UAPI = frozenset({ApiScope.HOOKS_READ, ApiScope.HOOKS_WRITE})


def find_missing_scopes(principal: Principal, wanted: Iterable[ApiScope]) -> list[ApiScope]:
    """Return those of the scopes that the principal may not pass on."""
    return sorted(scope for scope in set(wanted) if not _has(principal, scope))


def may_reach(principal: Principal, pbx_id: int | None) -> bool:
    """Return True if the principal may add a token for that PBX; None: for all."""
    return principal.pbx_id in (None, pbx_id)


def may_last_until(principal: Principal, expires_at: datetime | None) -> bool:
    """Return True if the principal may add a token that expires then; None: never."""
    if principal.expires_at is None:
        return True
    return expires_at is not None and expires_at <= principal.expires_at


def _has(principal: Principal, scope: ApiScope) -> bool:
    if principal.has_scope(scope):
        return True
    return scope is ApiScope.UAPI and all(map(principal.has_scope, SAME_AS_UAPI))
