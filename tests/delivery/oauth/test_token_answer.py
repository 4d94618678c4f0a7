"""Answers of token servers: what is taken, and that no answer does harm or repeats a secret."""

import json
from datetime import timedelta

import pytest

from callevents.db.models import utc_now
from callevents.delivery.http.client import Response
from callevents.delivery.oauth.token_answer import TokenError, read_token

CREDENTIALS = {
    "token_url": "https://login.example.com/token",
    "client_id": "call-events",
    "client_secret": "s3cret/+of us",
    "refresh_token": "r3fresh",
}
SERVER = "The token server login.example.com"


def answer(body: object, status: int = 200) -> Response:
    """Return the answer of a token server."""
    text = body if isinstance(body, str) else json.dumps(body)
    error = "" if status == 200 else f"The receiver returned {status} Bad Request."
    return Response(utc_now(), 5, error, status, body=text)


def problem_of(response: Response, **changes: str) -> str:
    """Return the error about the answer."""
    with pytest.raises(TokenError) as raised:
        read_token(response, {**CREDENTIALS, **changes})
    return str(raised.value)


@pytest.mark.parametrize(
    ("body", "seconds", "refresh_token"),
    [
        ({"access_token": "t1", "token_type": "Bearer", "expires_in": 60}, 60, ""),
        ({"access_token": "t1", "token_type": "bearer", "expires_in": "3599"}, 3599, ""),
        ({"access_token": "t1", "token_type": "BEARER"}, 3600, ""),
        ({"access_token": "t1", "expires_in": 5, "refresh_token": "r2", "x": [1]}, 5, "r2"),
        ({"access_token": "t1", "refresh_token": None}, 3600, ""),
    ],
    ids=["usual", "number-as-text", "no-lifetime", "next-refresh-token", "null"],
)
def test_valid_answers(body: object, seconds: int, refresh_token: str) -> None:
    """A token is taken with its lifetime and the next refresh token."""
    token = read_token(answer(body), CREDENTIALS)
    assert (token.access_token, token.refresh_token) == ("t1", refresh_token)
    assert token.lifetime == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<html>Sign in</html>", "no JSON object"),
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        ("[" * 60_000, "no JSON object"),
        ({"access_token": None}, "access_token is not a text"),
        ({"access_token": 7}, "access_token is not a text"),
        ({"access_token": ""}, "access_token is not a text"),
        ({"access_token": "a b"}, "access_token is not a text"),
        ({"access_token": "a\r\nX-Evil: 1"}, "access_token is not a text"),
        ({"access_token": "käse"}, "access_token is not a text"),
        ({"access_token": "x" * 4001}, "access_token is not a text"),
        ({"access_token": "t", "token_type": "mac"}, "token_type is not Bearer"),
        ({"access_token": "t", "token_type": 1}, "token_type is not Bearer"),
        ({"access_token": "t", "expires_in": 0}, "expires_in is not"),
        ({"access_token": "t", "expires_in": -5}, "expires_in is not"),
        ({"access_token": "t", "expires_in": 1.5}, "expires_in is not"),
        ({"access_token": "t", "expires_in": True}, "expires_in is not"),
        ({"access_token": "t", "expires_in": 10**30}, "expires_in is not"),
        ({"access_token": "t", "expires_in": "soon"}, "expires_in is not"),
        ({"access_token": "t", "refresh_token": {"a": 1}}, "refresh_token is not a text"),
    ],
)
def test_unusable_answers(body: object, reason: str) -> None:
    """Anything else is no token, and the message says what was wrong."""
    message = problem_of(answer(body))
    assert message.startswith(f"{SERVER} gave no usable access token: ")
    assert reason in message


def test_truncated_answer() -> None:
    """An answer that is longer than what is read is no token, whatever its beginning says."""
    cut = Response(utc_now(), 5, "", 200, body='{"access_token": "t"}', truncated=True)
    assert "no JSON object" in problem_of(cut)


def test_other_types_for_receivers_with_a_scheme() -> None:
    """If the admin has entered the scheme, the server's word for it does not matter."""
    found = answer({"access_token": "t", "token_type": "Zoho-oauthtoken"})
    assert read_token(found, {**CREDENTIALS, "scheme": "Zoho-oauthtoken"}).access_token == "t"


def test_errors_of_the_server() -> None:
    """The server's own words are shown, with its status."""
    given = {"error": "invalid_client", "error_description": "Unknown client."}
    assert problem_of(answer(given, 400)) == (
        f"{SERVER} gave no access token: invalid_client: Unknown client. "
        "It returned 400 Bad Request."
    )
    assert problem_of(answer({"error": "invalid_code"})) == (
        f"{SERVER} gave no access token: invalid_code. It returned 200."
    )
    assert problem_of(answer("<html>", 400)) == (
        f"{SERVER} gave no access token: It returned 400 Bad Request."
    )


@pytest.mark.parametrize(
    "repeated",
    [
        "s3cret/+of us",
        "s3cret%2F%2Bof%20us",
        "s3cret%2F%2Bof+us",
        "r3fresh",
        "Y2FsbC1ldmVudHM6czNjcmV0LytvZiB1cw==",
    ],
)
def test_secrets_are_masked(repeated: str) -> None:
    """A server that repeats our secrets does not bring them into messages."""
    message = problem_of(answer({"error": "no", "error_description": f"bad {repeated}!"}, 400))
    assert repeated not in message
    assert "bad ••••!" in message


def test_long_and_odd_words() -> None:
    """What a server says is shortened, and its control characters are replaced."""
    message = problem_of(answer({"error": "\x1b[31m" + "x" * 5000, "error_description": [1]}, 400))
    assert len(message) < 400
    assert message.isprintable()


def test_unreachable_server() -> None:
    """Without an answer, the message says which server, and why."""
    refused = Response(
        utc_now(), 5, "The receiver closed the connection before it responded.", is_unreachable=True
    )
    assert problem_of(refused) == (
        f"There is no access token. {SERVER} cannot be reached: The token server closed the "
        "connection before it responded."
    )
