"""Fetching users: as tests, it is limited, recorded, and has an access token; also in the API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.audit import Action
from callevents.db.models import AuditEntry, Pbx
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.enums import ReceiverAuth, Role
from callevents.errors import ConflictError
from callevents.extensions import cipher, db
from callevents.hooks import test_request
from callevents.receivers.fetching import fetch_users
from tests.api.v1.conftest import MakeApi, api, check_actor, check_problem
from tests.receivers.conftest import RECIPE, AddReceiver
from tests.support.receiver import Arrival, Receiver, Reply
from tests.support.token_server import TokenServer

__all__ = ["api"]

FETCH = """[users]
fetch_path = "/users"
fetch_items = "/found"
fetch_number = "/number"
fetch_user = "/id"
"""
PATH = "/receivers/our-crm/users/head-office"
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


def test_a_program_fetches(
    api: MakeApi, add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver
) -> None:
    """It gets the users, and stores them itself; an operator may."""
    add_receiver(url=receiver.url)
    receiver.reply = lambda _arrival: FOUND
    operator = api(Role.OPERATOR, pbx=pbx)
    fetched = operator.post(f"{PATH}/fetch").get_json()
    assert fetched == {"users": [{"extension": "101", "user": "anna"}]}
    assert operator.get(PATH).get_json() == {"users": []}
    assert operator.put(PATH, fetched).get_json() == fetched
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == Action.RECEIVER_USERS_FETCHED)
    ).one()
    check_actor(entry, operator)
    assert operator.get("/recipes/example-crm").get_json()["can_fetch_users"] is True
    check_problem(api(Role.VIEWER, pbx=pbx).post(f"{PATH}/fetch"), ProblemType.FORBIDDEN)


def test_a_program_fetches_once(
    api: MakeApi, add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver
) -> None:
    """A repeated request with its key waits for the answer, gets the same, and asks nobody."""
    add_receiver(url=receiver.url)
    admin, key = api(), {"Idempotency-Key": "order-4711"}
    meanwhile: list[TestResponse] = []

    def answer(_arrival: Arrival) -> Reply:
        meanwhile.append(admin.post(f"{PATH}/fetch", headers=key))
        return FOUND

    receiver.reply = answer
    answers = [admin.post(f"{PATH}/fetch", headers=key).get_json() for _ in range(2)]
    assert answers[0] == answers[1] == {"users": [{"extension": "101", "user": "anna"}]}
    assert len(receiver.arrivals) == 1
    check_problem(meanwhile[0], ProblemType.STILL_RUNNING)


def test_a_program_gets_nothing(
    api: MakeApi, add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx, receiver: Receiver
) -> None:
    """Whatever the receiver answers, and for a PBX that it is not for."""
    stored = add_receiver(pbx_id=pbx.id, url=receiver.url)
    admin = api()
    problem = check_problem(admin.post(f"{PATH}/fetch"), ProblemType.CONFLICT)
    assert problem["detail"] == "The receiver did not return JSON."
    branch = f"/receivers/{stored.slug}/users/{other_pbx.slug}/fetch"
    check_problem(admin.post(branch), ProblemType.INVALID_REQUEST, "#/pbx")
    check_problem(admin.post(f"/receivers/{stored.slug}/users/x/fetch"), ProblemType.NOT_FOUND)
    assert len(receiver.arrivals) == 1
