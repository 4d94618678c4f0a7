"""A user, and quick hashes."""

import pytest
from flask import Flask

from callevents.db.models import User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import hashing, users
from tests.users.signing_in import PASSWORD


@pytest.fixture(autouse=True)
def _quick_dummy_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash for unknown users may have been computed with the real cost."""
    unknown = hashing._hasher.hash("nobody has this password")
    monkeypatch.setattr(hashing, "_dummy_hash", lambda: unknown)


@pytest.fixture
def user(app: Flask) -> User:
    """A user named ana."""
    begin_write()
    user = users.add_user("Ana", PASSWORD, Role.ADMIN)
    db.session.commit()
    return user
