"""Claims that wait for a token: bounded, together, and by receiver."""

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from callevents.db.models import utc_now
from callevents.delivery.claim import Claim, OfReceiver
from callevents.delivery.oauth import waiting
from callevents.delivery.oauth.token_answer import TokenError
from callevents.delivery.oauth.token_source import StoppedError
from callevents.delivery.oauth.waiting import FAILED, TokenWaiters
from callevents.delivery.request.build import Request
from callevents.enums import Method


def make_claim(number: int, receiver_id: int = 1) -> Claim:
    """Return a claim that lacks a token."""
    request = Request(Method.POST, "http://crm.example.com/")
    of = OfReceiver(receiver_id, 1, "c1", lacks_token=True)
    expires_at = utc_now() + timedelta(hours=1)
    return Claim(str(number), 1, 1, 1, expires_at, request, receiver=of)


class Tokens:
    """Gets tokens when the test says so."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.result: dict[int, Exception] = {}
        self.went_on: list[list[str]] = []
        self.failed: list[tuple[list[str], str]] = []
        self.go_on = threading.Event()
        self.waiters = TokenWaiters(self.get, self.take, self.fail)

    def get(self, receiver_id: int) -> None:
        """Get a token."""
        self.asked.append(receiver_id)
        self.go_on.wait()
        if receiver_id in self.result:
            raise self.result[receiver_id]

    def take(self, claims: Sequence[Claim]) -> None:
        """Note the claims."""
        self.went_on.append([claim.delivery_id for claim in claims])

    def fail(self, claims: Sequence[Claim], error: str) -> None:
        """Note the claims and the error."""
        self.failed.append(([claim.delivery_id for claim in claims], error))

    def end(self) -> None:
        """Let all tokens arrive, and wait for what follows."""
        self.go_on.set()
        self.waiters.close()


def test_claims_wait_together_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims of a receiver wait for one token; those that are too many are turned away."""
    monkeypatch.setattr(waiting, "MAX_WAITING", 3)
    tokens = Tokens()
    taken = [tokens.waiters.add(1, make_claim(number)) for number in range(5)]
    assert taken == [True, True, True, False, False]
    assert tokens.waiters.add(2, make_claim(9, 2)), "another receiver"
    tokens.end()
    assert sorted(tokens.asked) == [1, 2]
    assert sorted(tokens.went_on) == [["0", "1", "2"], ["9"]]
    assert tokens.waiters.add(1, make_claim(10)), "the next ones begin again"
    tokens.end()
    assert tokens.asked.count(1) == 2


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        (TokenError("No token."), "No token."),
        (KeyError("client_id"), FAILED),
        (StoppedError(), None),
        (OperationalError("SELECT", {}, Exception("gone")), None),
    ],
    ids=["token-server", "defect", "stopped", "database"],
)
def test_errors(result: Exception, failed: str | None) -> None:
    """Without a token the attempts fail, unless the worker or the database has stopped."""
    tokens = Tokens()
    tokens.result[1] = result
    assert tokens.waiters.add(1, make_claim(1))
    tokens.end()
    assert tokens.failed == ([] if failed is None else [(["1"], failed)])
    assert tokens.went_on == ([["1"]] if failed is None else [])
