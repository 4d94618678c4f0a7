"""Signatures, verified with the reference library of Standard Webhooks."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from callevents.delivery.request.signing import Signing

NOW = datetime(2026, 3, 1, 10, 0, 0, 999_000, tzinfo=UTC)
OLD, NEW = ("whsec_" + letter * 43 + "=" for letter in "AB")
BODY = "CallID=1&CallerIDName=Zo%C3%AB"


def verify(secret: str, headers: dict[str, str], body: str) -> None:
    """Verify as a receiver does that uses the reference library."""
    with time_machine.travel(NOW, tick=False):
        Webhook(secret).verify(body, headers, json_parse=False)


@pytest.mark.parametrize("body", [BODY, "", '{"CallerIDName": "Zoë"}'])
def test_reference_library_verifies(body: str) -> None:
    """The reference library accepts our signature, and no other body, id or time."""
    headers = Signing("d-1", NEW).headers(body, NOW)
    verify(NEW, headers, body)
    assert headers["webhook-id"] == "d-1"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    for changed in (
        (headers, body + "x"),
        (headers | {"webhook-id": "d-2"}, body),
        (headers | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, body),
    ):
        with pytest.raises(WebhookVerificationError):
            verify(NEW, *changed)
    with pytest.raises(WebhookVerificationError):
        verify(OLD, headers, body)


def test_both_secrets_sign_for_a_while() -> None:
    """The previous secret signs until it expires."""
    signing = Signing("d-1", NEW, OLD, NOW + timedelta(milliseconds=1))
    headers = signing.headers(BODY, NOW)
    verify(OLD, headers, BODY)
    verify(NEW, headers, BODY)
    headers = signing.headers(BODY, NOW + timedelta(milliseconds=1))
    verify(NEW, headers, BODY)
    with pytest.raises(WebhookVerificationError):
        verify(OLD, headers, BODY)


def test_secrets_are_not_printed() -> None:
    """The representation of a signing has no secret."""
    assert "whsec" not in repr(Signing("d-1", NEW, OLD, NOW))
