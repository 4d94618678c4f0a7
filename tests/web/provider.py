"""A provider of single sign-on, and signing in there."""

from collections.abc import Iterator

import pytest
from flask import Flask

from callevents.config.oidc import OidcProvider
from callevents.db.models import User
from callevents.extensions import app_state, db
from callevents.users import users
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.web.conftest import Visitor

BEGIN, BACK = "/sign-in/with/acme", "/sign-in/with/acme/return"
GRANTS = {
    "groups": {
        "pbx-admins": ["admin"],
        "staff": ["viewer"],
        "office": ["operator:head-office", "self-service:head-office:101"],
        "gone": ["viewer:gone", "self-service:head-office:999"],
    }
}


@pytest.fixture
def server(app: Flask) -> Iterator[Provider]:
    """A provider whose user olga is an admin, and which our settings name."""
    server = Provider([f"http://localhost{BACK}"])
    server.user["groups"] = ["pbx-admins"]
    app_state().settings.oidc_providers = (make_settings(server),)
    yield server
    server.close()


def make_settings(server: Provider, slug: str = "acme") -> OidcProvider:
    """Return the settings of a provider."""
    values = {
        "slug": slug,
        "label": slug.capitalize(),
        "issuer": server.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grants": GRANTS,
    }
    return OidcProvider.model_validate(values)


def begin(visitor: Visitor, server: Provider) -> str:
    """Follow our link and sign in at the provider; return the path back to us."""
    answer = visitor.get(BEGIN)
    assert answer.status_code == 303
    return server.visit(answer.location).removeprefix("http://localhost")


def find_user(username: str) -> User | None:
    """Return the user as stored now."""
    db.session.rollback()
    return users.find_user(username)
