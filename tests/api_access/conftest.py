"""A user with an app, and another user."""

import pytest
from flask import Flask

from callevents.db.models import User
from callevents.enums import Role
from tests.support.oauth_app import AppKey, add_app, add_user


@pytest.fixture
def ana(app: Flask) -> User:
    """The owner of the app, an admin."""
    return add_user("ana", Role.ADMIN)


@pytest.fixture
def bob(app: Flask) -> User:
    """A viewer, who allows the app something."""
    return add_user("bob")


@pytest.fixture
def crm(ana: User) -> AppKey:
    """An app of ana, for all PBXs."""
    return add_app("ana")
