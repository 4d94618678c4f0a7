"""A provider on loopback."""

from collections.abc import Iterator

import pytest

from callevents.config.oidc import OidcProvider
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider

REDIRECT_URI = "http://localhost/sign-in/with/acme/return"
GRANTS = {"groups": {"pbx-admins": ["admin"], "staff": ["viewer:head-office"]}}


@pytest.fixture
def server() -> Iterator[Provider]:
    """A provider that knows our client; its user is in the group of admins."""
    server = Provider([REDIRECT_URI])
    server.user["groups"] = ["pbx-admins", "others"]
    yield server
    server.close()


@pytest.fixture
def acme(server: Provider) -> OidcProvider:
    """Its settings."""
    return OidcProvider.model_validate(
        {
            "slug": "acme",
            "label": "Acme",
            "issuer": server.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "grants": GRANTS,
        }
    )
