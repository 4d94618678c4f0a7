"""Fixtures of the OAuth tests: a token server, and a receiver that it protects."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from callevents.config.settings import Settings
from callevents.db.models import Hook, Receiver
from callevents.db.session import begin_write
from callevents.delivery.http.client import HttpClient
from callevents.delivery.oauth.token_source import TokenSource
from callevents.enums import AuthKind, EventType, Method, ReceiverAuth
from callevents.extensions import cipher, db
from tests.conftest import Configure
from tests.support.token_server import REFRESH_TOKEN, TokenServer

MakeReceiver = Callable[..., Receiver]
MakeSource = Callable[..., TokenSource]


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    """A token server and the API that it protects."""
    server = TokenServer()
    yield server
    server.close()


@pytest.fixture
def make_receiver(app: Flask, token_server: TokenServer) -> MakeReceiver:
    """Adds a receiver at the API of the token server."""

    def make(auth: ReceiverAuth = ReceiverAuth.CLIENT_CREDENTIALS, **credentials: str) -> Receiver:
        if auth is ReceiverAuth.REFRESH_TOKEN:
            credentials.setdefault("refresh_token", REFRESH_TOKEN)
        begin_write()
        stored = json.dumps(token_server.credentials(**credentials))
        receiver = Receiver(
            slug="crm",
            name="CRM",
            address=token_server.api.url,
            auth=auth,
            auth_secret=cipher.encrypt(stored),
        )
        db.session.add(receiver)
        db.session.commit()
        return receiver

    return make


@pytest.fixture
def crm(make_receiver: MakeReceiver) -> Receiver:
    """A receiver that uses client credentials."""
    return make_receiver()


def use(receiver: Receiver, configure: Configure) -> Hook:
    """Add a request for dial-in of all extensions that authenticates as its receiver does."""
    hook = configure.hook("*", EventType.DIAL_IN, f"{receiver.address}/calls", Method.POST)
    begin_write()
    hook.receiver_id, hook.auth = receiver.id, AuthKind.RECEIVER
    db.session.commit()
    return hook


@pytest.fixture
def make_source(app: Flask, settings: Settings) -> Iterator[MakeSource]:
    """Makes sources of tokens, as each worker has one."""
    stopped = threading.Event()
    clients: list[HttpClient] = []

    def make(changed: Settings | None = None) -> TokenSource:
        used = changed or settings
        clients.append(HttpClient(used))
        return TokenSource(db.engine, used, clients[-1].send, stopped)

    yield make
    stopped.set()
    for client in clients:
        client.close()


@pytest.fixture
def source(make_source: MakeSource) -> TokenSource:
    """A source of tokens."""
    return make_source()


def stored(receiver: Receiver) -> Receiver:
    """Return the receiver as it is stored now."""
    db.session.rollback()
    db.session.refresh(receiver)
    return receiver


def token_of(receiver: Receiver) -> str:
    """Return the receiver's access token, decrypted."""
    token = stored(receiver).access_token
    return cipher.bound.decrypt(token) if token else ""
