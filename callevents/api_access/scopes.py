"""Scopes: what a token may be used for. It may never do more than its owner."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from callevents.errors import InvalidError


class ApiScope(StrEnum):
    """A scope of a token. Values are stored, and they are a part of the API."""

    #: VoipNow's UnifiedAPI.
    UAPI = "uapi"
    PBXS_READ = "pbxs:read"
    PBXS_WRITE = "pbxs:write"
    HOOKS_READ = "hooks:read"
    HOOKS_WRITE = "hooks:write"
    RECEIVERS_READ = "receivers:read"
    RECEIVERS_WRITE = "receivers:write"
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"
    CALLS_READ = "calls:read"
    CALLS_WRITE = "calls:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"
    AUDIT_READ = "audit:read"
    AUDIT_WRITE = "audit:write"

    @property
    def description(self) -> str:
        """What the scope allows, for pages and documents."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS = {
    ApiScope.UAPI: "manage the call events of extensions with VoipNow's UnifiedAPI",
    ApiScope.PBXS_READ: "see PBXs, their extensions, ingest tokens and connectors",
    ApiScope.PBXS_WRITE: "change PBXs, their extensions, ingest tokens and connectors",
    ApiScope.HOOKS_READ: "see requests",
    ApiScope.HOOKS_WRITE: "add, change, test and remove requests",
    ApiScope.RECEIVERS_READ: "see receivers and recipes, without secrets",
    ApiScope.RECEIVERS_WRITE: "add, change, test and remove receivers; connect extensions to them",
    ApiScope.DELIVERIES_READ: "see deliveries and their attempts",
    ApiScope.DELIVERIES_WRITE: "send deliveries again, and cancel them",
    ApiScope.CALLS_READ: "see calls and call events",
    ApiScope.CALLS_WRITE: "send example events",
    ApiScope.USERS_READ: "see users and their roles",
    ApiScope.USERS_WRITE: "add, change and remove users",
    ApiScope.TOKENS_READ: "see API tokens and apps",
    ApiScope.TOKENS_WRITE: "add, change and revoke API tokens and apps",
    ApiScope.CONFIG_READ: "export the configuration",
    ApiScope.CONFIG_WRITE: "import a configuration",
    ApiScope.AUDIT_READ: "see the history",
    ApiScope.AUDIT_WRITE: "reserved: nothing in the history can be changed",
}

#: The scopes of an API token: all of the management API.
V1_SCOPES = tuple(scope for scope in ApiScope if scope is not ApiScope.UAPI)
#: These allow nothing yet, so pages do not offer them.
RESERVED_SCOPES = frozenset({ApiScope.AUDIT_WRITE})
#: A token that is limited to one PBX never gets these: they are about the whole installation.
INSTALLATION_SCOPES = frozenset(
    {ApiScope.USERS_READ, ApiScope.USERS_WRITE, ApiScope.CONFIG_READ, ApiScope.CONFIG_WRITE}
)


@dataclass(frozen=True)
class ScopeGroup:
    """The scopes for one kind of object, with the name of the kind on pages."""

    label: str
    scopes: tuple[ApiScope, ...]


_GROUP_LABELS = {
    "uapi": "VoipNow",
    "pbxs": "PBXs",
    "hooks": "Requests",
    "receivers": "Receivers",
    "deliveries": "Deliveries",
    "calls": "Calls",
    "users": "Users",
    "tokens": "API access",
    "config": "Configuration",
    "audit": "History",
}


def group_scopes(scopes: Iterable[ApiScope]) -> list[ScopeGroup]:
    """Return the scopes in groups, both in the order of the documents."""
    chosen = set(scopes)
    found = {
        label: tuple(one for one in ApiScope if one in chosen and one.partition(":")[0] == kind)
        for kind, label in _GROUP_LABELS.items()
    }
    return [ScopeGroup(label, group) for label, group in found.items() if group]


def parse_scopes(
    texts: Iterable[str],
    *,
    allowed: Iterable[ApiScope] = tuple(ApiScope),
    is_limited: bool = False,
) -> frozenset[ApiScope]:
    """Return the scopes with these names; raises InvalidError about `scopes`.

    `is_limited`: they are for one PBX, so none of INSTALLATION_SCOPES is possible.
    """
    names, known = list(texts), list(allowed)
    for name in names:
        if name not in known:
            raise InvalidError.of("scopes", f"There is no scope {name!r}. Use {', '.join(known)}.")
        if is_limited and name in INSTALLATION_SCOPES:
            raise InvalidError.of(
                "scopes", f"{name} is for all PBXs together. Leave it out, or choose all PBXs."
            )
    if not names:
        raise InvalidError.of("scopes", "Choose at least one scope.")
    return frozenset(map(ApiScope, names))


def join_scopes(scopes: Iterable[ApiScope]) -> str:
    """Return the scopes as they are stored, and as OAuth 2.0 has them: separated by blanks."""
    chosen = set(scopes)
    return " ".join(scope for scope in ApiScope if scope in chosen)


def split_scopes(stored: str) -> frozenset[ApiScope]:
    """Return stored scopes. One that this version does not know allows nothing."""
    return frozenset(ApiScope(name) for name in stored.split() if name in list(ApiScope))
