"""Apps with tokens, and a client that sends what clients of VoipNow send."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callevents.api_access import app_tokens, apps
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Hook, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.hooks import queries
from callevents.pbxs import extensions
from callevents.users import users
from callevents.users.grants import NewGrant
from tests.conftest import Configure
from tests.web.conftest import PASSWORD

NUMBER = "0003*210"
EVENTS = f"/uapi/extensions/@me/{NUMBER}/phoneCallEvents"
URL = "https://crm.example.com/calls"

GetToken = Callable[..., str]
Event = dict[str, Any]


@dataclass
class Api:
    """A client with a token."""

    client: FlaskClient
    token: str
    base: str = EVENTS

    def send(self, method: str, path: str = "", **options: Any) -> TestResponse:
        """Send a request; `path` is below that of the extension's events."""
        given = options.pop("headers", {"Authorization": f"Bearer {self.token}"})
        headers = {"Content-Type": "application/json", **given}
        return self.client.open(self.base + path, method=method, headers=headers, **options)

    def get(self, path: str = "", **query: object) -> Any:
        """Return what a GET answers."""
        return succeeded(self.send("GET", path, query_string=query))

    def entries(self, path: str = "", **query: object) -> list[Event]:
        """Return the events that are listed."""
        entries: list[Event] = self.get(path, **query)["entry"]
        return entries

    def create(self, **fields: object) -> Event:
        """Create an event, by default for Dial-In."""
        event: Event = succeeded(self.send("POST", json={"type": "0", "url": URL, **fields}))
        return event

    def update(self, event: Event, **fields: object) -> Event:
        """Update an event."""
        updated: Event = succeeded(self.send("PUT", path_of(event), json=fields))
        return updated

    def delete(self, path: str = "") -> list[Event]:
        """Remove events."""
        removed: list[Event] = succeeded(self.send("DELETE", path))
        return removed


def path_of(event: Event) -> str:
    """Return the path of an event below that of its extension's events."""
    return f"/{event['type']}/{event['id']}"


def succeeded(answer: TestResponse) -> Any:
    """Check that it is a success as VoipNow's clients expect it; return what it says."""
    assert (answer.status_code, answer.content_type) == (200, "application/json"), answer.text
    return answer.get_json()


def check_error(answer: TestResponse, status: int, code: str) -> str:
    """Check that it is an error in VoipNow's form; return the message."""
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    document = answer.get_json()
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message"}
    assert document["error"]["code"] == code, document
    message: str = document["error"]["message"]
    assert message.endswith("."), message
    return message


def stored_hooks() -> list[Hook]:
    """Return all hooks, oldest first."""
    db.session.rollback()
    return sorted(queries.list_all_hooks(), key=lambda hook: hook.id)


@pytest.fixture
def get_token(app: Flask) -> GetToken:
    """Adds an app named 'CRM' of the user and returns an access token of it."""

    def get_token(
        user: User, pbx: Pbx | None = None, scopes: Iterable[ApiScope] = (ApiScope.UAPI,)
    ) -> str:
        begin_write()
        added, _secret = apps.add_app(user, "CRM", pbx=pbx, scopes=scopes)
        token = app_tokens.issue_to_owner(added, frozenset(scopes)).access_token
        db.session.commit()
        return token

    return get_token


@pytest.fixture
def admin_user(app: Flask) -> User:
    """An admin of all PBXs."""
    return add_user("ada", NewGrant(Role.ADMIN))


def add_user(name: str, *grants: NewGrant) -> User:
    """Add a user with these roles."""
    begin_write()
    user = users.add_user(name, PASSWORD, *grants)
    db.session.commit()
    return user


@pytest.fixture
def api(
    app: Flask, configure: Configure, admin_user: User, get_token: GetToken, client: FlaskClient
) -> Api:
    """A client with the token of an admin's app; the extension is 0003*210."""
    configure.extension(NUMBER, "Sales")
    configure.extension("0003*211", "Support")
    return Api(client, get_token(admin_user))


def extension_of(pbx: Pbx, number: str = NUMBER) -> Any:
    """Return the extension with this number."""
    return extensions.get_extension_by_number(pbx, number)
