"""Test requests to receivers with OAuth 2.0: the token is fetched before they are sent."""

from functools import partial

import pytest

from callevents.audit.targets import of_hook
from callevents.db.models import Hook, Receiver
from callevents.delivery.http.client import Response
from callevents.extensions import db
from callevents.hooks.test_request import build_stored, send_test
from tests.conftest import Configure
from tests.delivery.oauth.conftest import token_of, use
from tests.support.receiver import Reply
from tests.support.token_server import TokenServer


@pytest.fixture
def crm_hook(crm: Receiver, configure: Configure) -> Hook:
    """A request of the receiver."""
    return use(crm, configure)


def send(hook: Hook) -> Response:
    """Send a test."""
    hook = db.session.merge(hook)
    return send_test(partial(build_stored, hook), of_hook(hook, None), hook.event_type, user_id=1)


def test_token_is_fetched_first(crm_hook: Hook, crm: Receiver, token_server: TokenServer) -> None:
    """The first test fetches the token, and the next one uses it."""
    for _ in range(2):
        assert send(crm_hook).error == ""
    assert token_server.issued == ["token-1"]
    assert token_of(crm) == "token-1"
    assert len(token_server.accepted) == 2


def test_why_there_is_no_token(crm_hook: Hook, token_server: TokenServer) -> None:
    """Without a token nothing is sent, and the test says why; each test asks again."""
    token_server.answer = lambda _arrival: Reply(400, body=b'{"error": "invalid_client"}')
    for number in (1, 2):
        assert "gave no access token: invalid_client" in send(crm_hook).error
        assert len(token_server.tokens.arrivals) == number
    assert token_server.api.arrivals == []
