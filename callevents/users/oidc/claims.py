"""What a provider's claims grant."""

from collections.abc import Iterator, Mapping
from typing import Any

from callevents.config.oidc import OidcProvider, parse_grant
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.users.users import FORBIDDEN, MAX_USERNAME_LENGTH, check_form, normalize_username


def grants_of(provider: OidcProvider, claims: Mapping[str, Any]) -> list[tuple[Role, str | None]]:
    """Return the grants: role, and slug of the PBX or None for all. Empty if none is meant."""
    found = {
        parse_grant(text)
        for name, by_value in provider.grants.items()
        for value in _values(claims, name)
        for text in by_value.get(value, ())
    }
    return sorted(found, key=lambda grant: (list(Role).index(grant[0]), grant[1] or ""))


def find_username(claims: Mapping[str, Any]) -> str:
    """Return the name that the user has at the provider, in lower case; it is only shown.

    Characters that no username contains become hyphens. A claim without a name, or with dots only,
    is passed over for the next.
    """
    for name in ("preferred_username", "email", "name", "sub"):
        text = claims.get(name)
        if not isinstance(text, str):
            continue
        username = normalize_username("".join(map(_replace, normalize_username(text))))
        username = username[:MAX_USERNAME_LENGTH].strip()
        try:
            check_form(username)
        except InvalidError:
            continue
        return username
    return "user"


def _replace(character: str) -> str:
    return "-" if character in FORBIDDEN or not character.isprintable() else character


def _values(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the texts of a claim; `realm_access.roles` is the claim `roles` within the other."""
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one
