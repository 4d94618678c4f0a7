"""Requests for access tokens, against a server that reads them as RFC 6749 says."""

import pytest

from callevents.config.settings import Settings
from callevents.db.models import Receiver
from callevents.delivery.oauth.token_answer import TokenError
from callevents.delivery.oauth.token_source import TokenSource
from callevents.enums import ReceiverAuth
from tests.delivery.oauth.conftest import MakeReceiver, MakeSource, token_of
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


@pytest.mark.parametrize("client_auth", ["", "body"])
def test_client_credentials_in_the_body(
    make_receiver: MakeReceiver, source: TokenSource, token_server: TokenServer, client_auth: str
) -> None:
    """By default, ID and secret are in the form, and so is the scope."""
    receiver = make_receiver(client_auth=client_auth, scope="calls:write contacts")
    source.get(receiver.id)
    [asked] = token_server.tokens.arrivals
    grant = {"grant_type": "client_credentials", "scope": "calls:write contacts"}
    assert asked.parameters == {**grant, **CLIENT}
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.headers["Accept"] == "application/json"
    assert "Authorization" not in asked.headers
    assert token_of(receiver) == "token-1"


def test_client_credentials_as_basic(
    make_receiver: MakeReceiver, source: TokenSource, token_server: TokenServer
) -> None:
    """As Basic, both are encoded first, so that no character ends the ID."""
    receiver = make_receiver(client_auth="basic")
    source.get(receiver.id)
    [asked] = token_server.tokens.arrivals
    assert asked.parameters == {"grant_type": "client_credentials"}
    assert token_of(receiver) == "token-1"


def test_refresh(
    make_receiver: MakeReceiver, source: TokenSource, token_server: TokenServer
) -> None:
    """A refresh token is exchanged."""
    receiver = make_receiver(ReceiverAuth.REFRESH_TOKEN)
    source.get(receiver.id)
    [asked] = token_server.tokens.arrivals
    grant = {"grant_type": "refresh_token", "refresh_token": token_server.refresh_token}
    assert asked.parameters == {**grant, **CLIENT}
    assert token_of(receiver) == "token-1"


def test_addresses_are_checked(
    crm: Receiver, settings: Settings, token_server: TokenServer, make_source: MakeSource
) -> None:
    """A token server at a blocked address is not asked."""
    blocked = make_source(settings.model_copy(update={"allowed_networks": ()}))
    with pytest.raises(
        TokenError, match=r"cannot be reached: The address 127\.0\.0\.1 is loopback"
    ):
        blocked.get(crm.id)
    assert token_server.tokens.arrivals == []
