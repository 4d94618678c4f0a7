"""Which grants and names follow from claims."""

from typing import Any

import pytest

from callevents.config.oidc import OidcProvider
from callevents.enums import Role
from callevents.users.oidc.claims import find_username, grants_of


def make_provider(grants: dict[str, dict[str, list[str]]]) -> OidcProvider:
    """Return a provider with these grants."""
    return OidcProvider.model_validate(
        {
            "slug": "acme",
            "label": "Acme",
            "issuer": "https://login.example",
            "client_id": "x",
            "grants": grants,
        }
    )


GRANTS = {
    "groups": {"pbx-admins": ["admin"], "acme": ["viewer:acme-slug", "viewer:other"]},
    "realm_access.roles": {"all": ["viewer"]},
    "https://acme.example/roles": {"boss": ["admin"]},
}


@pytest.mark.parametrize(
    ("claims", "grants"),
    [
        ({}, []),
        ({"groups": []}, []),
        ({"groups": ["pbx-admins"]}, [(Role.ADMIN, None)]),
        ({"groups": "pbx-admins"}, [(Role.ADMIN, None)]),
        ({"groups": ["PBX-admins", "pbx-admins "]}, []),
        ({"groups": ["acme"]}, [(Role.VIEWER, "acme-slug"), (Role.VIEWER, "other")]),
        ({"realm_access": {"roles": ["all"]}}, [(Role.VIEWER, None)]),
        ({"realm_access": ["roles"]}, []),
        ({"realm_access.roles": "all"}, [(Role.VIEWER, None)]),
        ({"https://acme.example/roles": ["boss"]}, [(Role.ADMIN, None)]),
        ({"groups": {"pbx-admins": True}}, []),
        ({"groups": [["pbx-admins"], None, 1, {}]}, []),
        (
            {"groups": ["pbx-admins", "acme", "acme"]},
            [(Role.ADMIN, None), (Role.VIEWER, "acme-slug"), (Role.VIEWER, "other")],
        ),
    ],
)
def test_grants(claims: dict[str, Any], grants: list[tuple[Role, str | None]]) -> None:
    """Only texts that equal a value count, each once, higher roles first."""
    assert grants_of(make_provider(GRANTS), claims) == grants


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": " Olga ", "email": "o@acme.example"}, "olga"),
        ({"preferred_username": "", "email": "O@acme.example"}, "o@acme.example"),
        ({"preferred_username": None, "email": 1, "name": "Olga P", "sub": "42"}, "olga p"),
        ({"preferred_username": "a\u202eb", "sub": "42"}, "a-b"),
        ({"preferred_username": "Sales/Eve", "sub": "42"}, "sales-eve"),
        ({"preferred_username": "ACME\\eve", "sub": "42"}, "acme-eve"),
        ({"preferred_username": "a\ufffdb\0\udc00", "sub": "42"}, "a-b--"),
        ({"preferred_username": "..", "email": ".", "name": "Eve"}, "eve"),
        ({"preferred_username": "." * 64 + "x", "sub": "42"}, "42"),
        ({"preferred_username": "..", "sub": "/"}, "-"),
        ({"sub": "..."}, "user"),
        ({"preferred_username": "x" * 100}, "x" * 64),
        ({"sub": "a\nb"}, "a-b"),
    ],
)
def test_username(claims: dict[str, Any], name: str) -> None:
    """The first claim that can be a username."""
    assert find_username(claims) == name
