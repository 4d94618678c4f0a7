"""Fixtures and checks for tests of the management API. They run on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from callevents.api.v1.operations import PREFIX
from callevents.api.v1.problems import ProblemType
from callevents.api_access.api_tokens import add_api_token
from callevents.api_access.scopes import V1_SCOPES
from callevents.db.models import ApiToken, AuditEntry, Extension, Pbx, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import extensions
from callevents.users import users
from callevents.users.grants import NewGrant

PASSWORD = "a password for tests"


@dataclass(frozen=True)
class Api:
    """A program that calls the management API with a token, and may do so in any thread."""

    app: Flask
    #: The text of the token; empty: none is sent.
    token: str
    #: The name and the ID of the token, and the name of its owner.
    name: str = ""
    token_id: str = ""
    username: str = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        """Get what is at the path below /api/v1. `query_string`, `headers`: as Flask has them."""
        return self.send("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        """Post JSON."""
        return self.send("POST", path, json=json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        """Patch with JSON."""
        return self.send("PATCH", path, json=json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        """Put JSON."""
        return self.send("PUT", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """Delete what is at the path."""
        return self.send("DELETE", path, **options)

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request with the token; the body only if there is one."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= dict(options.pop("headers", {}))
        if options.get("json") is None:
            options.pop("json", None)
        client = self.app.test_client()
        return client.open(PREFIX + path, method=method, headers=headers, **options)


MakeApi = Callable[..., Api]


@pytest.fixture
def api(app: Flask) -> MakeApi:
    """Makes programs with a real token of a user of their own.

    `role` is for all PBXs, or for `pbx`, or for `extension` of it. `limited_to`: the PBX that the
    token is limited to.
    """
    count = 0

    def make(
        role: Role = Role.ADMIN,
        scopes: Iterable[str] = V1_SCOPES,
        *,
        pbx: Pbx | None = None,
        extension: Extension | None = None,
        limited_to: Pbx | None = None,
    ) -> Api:
        nonlocal count
        count += 1
        begin_write()
        username = f"{role}{count}"
        user = users.add_user(username, PASSWORD, NewGrant(role, pbx, extension))
        name = f"program {count}"
        token, text = add_api_token(user, name, scopes)
        # Afterwards: then its owner need have no role there, and it may have any scope.
        token.pbx_id = limited_to.id if limited_to else None
        made = Api(app, text, name, token.id, username)
        db.session.commit()
        return made

    return make


@pytest.fixture
def admin(api: MakeApi) -> Api:
    """A program of an admin of all PBXs, with all scopes."""
    return api()


@pytest.fixture
def nobody(app: Flask) -> Api:
    """A program without a token."""
    return Api(app, "")


@pytest.fixture
def pbx(pbx: Pbx) -> Pbx:
    """The PBX 'head-office' with the extensions 101 and 102."""
    begin_write()
    extensions.add_extension(pbx, "101", "Olga")
    extensions.add_extension(pbx, "102", "")
    db.session.commit()
    return pbx


@pytest.fixture
def extension(pbx: Pbx) -> Extension:
    """The extension 101 of 'head-office'."""
    return _find_extension(pbx, "101")


@pytest.fixture
def other_extension(pbx: Pbx) -> Extension:
    """The extension 102 of 'head-office'."""
    return _find_extension(pbx, "102")


def check_problem(answer: TestResponse, kind: ProblemType, *pointers: str) -> dict[str, Any]:
    """Check that the answer is a problem document of that kind; return it.

    `pointers`: those of its errors, if the test cares.
    """
    document: dict[str, Any] = answer.get_json()
    assert (answer.status_code, document["type"]) == (kind.status, f"/api/docs#{kind}"), document
    assert answer.content_type == "application/problem+json"
    assert document["status"] == kind.status
    assert document["request_id"]
    assert document["detail"].endswith((".", "!"))
    if pointers:
        assert [error["pointer"] for error in document["errors"]] == list(pointers)
    return document


def last_entry() -> AuditEntry:
    """Return the newest entry of the history."""
    db.session.rollback()
    newest = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(1)
    return db.session.scalars(newest).one()


def check_actor(entry: AuditEntry, api: Api) -> None:
    """Check that the entry names the program's token as the one that acted."""
    assert (entry.actor_kind, entry.actor_name) == ("token", api.name)
    assert entry.actor_id == api.token_id


def owner_of(api: Api) -> User:
    """Return the user whose token the program has."""
    return db.session.get_one(ApiToken, api.token_id).user


def _find_extension(pbx: Pbx, number: str) -> Extension:
    found = extensions.get_extension_by_number(pbx, number)
    assert found is not None
    return found
