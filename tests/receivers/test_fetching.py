"""Fetching users: as tests, it is limited, recorded, and has an access token."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from callevents.audit import Action
from callevents.db.models import AuditEntry, Pbx
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.enums import ReceiverAuth
from callevents.errors import ConflictError
from callevents.extensions import cipher, db
from callevents.hooks import test_request
from callevents.receivers.fetching import fetch_users
from tests.receivers.conftest import RECIPE, AddReceiver
from tests.support.receiver import Receiver, Reply
from tests.support.token_server import TokenServer

FETCH = """[users]
fetch_path = "/users"
fetch_items = "/found"
fetch_number = "/number"
fetch_user = "/id"
"""
FOUND = Reply(200, body=json.dumps({"found": [{"number": "101", "id": "anna"}]}).encode())


@pytest.fixture
def recipes(recipes: Path) -> Path:
    """The recipe can ask for users."""
    (recipes / "example-crm.toml").write_text(RECIPE.replace("[users]\n", FETCH))
    return recipes


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    """A token server and the API that it protects."""
    server = TokenServer()
    yield server
    server.close()


def test_it_is_recorded(add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver) -> None:
    """Before the request, without secrets."""
    receiver.reply = lambda _arrival: FOUND
    stored = add_receiver(url=receiver.url)
    assert fetch_users(stored, pbx, 1) == {"101": "anna"}
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.action, entry.object_id) == (Action.RECEIVER_USERS_FETCHED, stored.slug)
    assert entry.after == {"pbx": pbx.slug, "url": f"{receiver.url}/api/sales/users"}


def test_one_at_a_time(
    add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user with a running test waits for its end, and so do all if there are too many."""
    stored = add_receiver(url=receiver.url)
    with test_request._acquire_slot(1):
        with pytest.raises(ConflictError, match="Your previous test is still running"):
            fetch_users(stored, pbx, 1)
        monkeypatch.setattr(test_request, "MAX_CONCURRENT_TESTS", 1)
        with pytest.raises(ConflictError, match="Too many tests are running"):
            fetch_users(stored, pbx, 2)
    assert receiver.arrivals == []


def test_the_access_token_is_fetched_first(
    add_receiver: AddReceiver, pbx: Pbx, token_server: TokenServer
) -> None:
    """A receiver with OAuth 2.0 gets no empty token."""
    stored: ReceiverRow = add_receiver(url=token_server.api.url)
    begin_write()
    stored.auth = ReceiverAuth.CLIENT_CREDENTIALS
    stored.auth_secret = cipher.encrypt(json.dumps(token_server.credentials()))
    db.session.commit()
    with pytest.raises(ConflictError, match="did not return JSON"):
        fetch_users(stored, pbx, 1)
    assert token_server.issued == ["token-1"]
    [arrival] = token_server.api.arrivals
    assert arrival.headers["Authorization"] == "Bearer token-1"
