"""Users of the pages, without a browser."""

import re
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users

PASSWORD = "long enough for a test"


@dataclass
class Visitor:
    """A client of the pages, with the CSRF token of the last page."""

    client: FlaskClient
    token: str = ""

    def get(self, path: str, **options: object) -> TestResponse:
        """Get a page."""
        answer = self.client.get(path, **options)  # type: ignore[arg-type]  # passed through
        if found := re.search(r'name="csrf_token"[^>]* value="([^"]+)"', answer.text):
            self.token = found[1]
        return answer

    def post(self, path: str, **fields: object) -> TestResponse:
        """Submit a form."""
        return self.client.post(path, data={"csrf_token": self.token, **fields})

    def sign_in(self, username: str) -> None:
        """Sign in."""
        self.get("/sign-in")
        answer = self.post("/sign-in", username=username, password=PASSWORD)
        assert answer.status_code == 303
        self.get("/pbxs")


@pytest.fixture
def people(app: Flask) -> None:
    """An admin and a viewer."""
    begin_write()
    users.add_user("admin", PASSWORD, Role.ADMIN)
    users.add_user("viewer", PASSWORD, Role.VIEWER)
    db.session.commit()


@pytest.fixture
def stranger(app: Flask, people: None) -> Visitor:
    """A visitor who is not signed in."""
    return Visitor(app.test_client())


@pytest.fixture
def admin(app: Flask, people: None) -> Visitor:
    """An admin who is signed in."""
    visitor = Visitor(app.test_client())
    visitor.sign_in("admin")
    return visitor


@pytest.fixture
def viewer(app: Flask, people: None) -> Visitor:
    """A viewer who is signed in."""
    visitor = Visitor(app.test_client())
    visitor.sign_in("viewer")
    return visitor
