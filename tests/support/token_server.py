"""A token server and the receiver that it protects, on real sockets: OAuth 2.0 of RFC 6749."""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote

from tests.support.receiver import Arrival, Receiver, Reply

CLIENT_ID = "call-events"
#: With characters that forms and Basic escape.
CLIENT_SECRET = "pa:ss word/+%41"
REFRESH_TOKEN = "refresh-1"


class TokenServer:
    """Issues tokens to its client, and serves an API that wants them.

    Each token has a number. `rotates`: a refresh token is good for one use, as for some servers.
    """

    def __init__(self) -> None:
        self.tokens, self.api = Receiver(), Receiver()
        self.tokens.reply, self.api.reply = self._issue, self._check
        self.lifetime: int | None = 3600
        self.rotates = False
        #: Replaces what is issued, for one test's own answers.
        self.answer: Callable[[Arrival], Reply] | None = None
        #: How the API wants to be asked.
        self.scheme = "Bearer"
        self.refresh_token = REFRESH_TOKEN
        self.valid: set[str] = set()
        self.issued: list[str] = []
        #: Requests with a valid token, in order.
        self.accepted: list[Arrival] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The URL that issues tokens."""
        return f"{self.tokens.url}/oauth/token"

    def credentials(self, **changes: str) -> dict[str, str]:
        """Return what a receiver stores to get tokens here."""
        return {
            "token_url": self.url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **changes,
        }

    def revoke(self) -> None:
        """Let all tokens become invalid before their time."""
        self.valid.clear()

    def close(self) -> None:
        """Stop."""
        self.tokens.close()
        self.api.close()

    def _issue(self, arrival: Arrival) -> Reply:
        if self.answer is not None:
            return self.answer(arrival)
        with self._lock:
            return self._issue_once(dict(parse_qsl(arrival.body, strict_parsing=True)), arrival)

    def _issue_once(self, form: Mapping[str, str], arrival: Arrival) -> Reply:
        if _client_of(form, arrival) != (CLIENT_ID, CLIENT_SECRET):
            return _json({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.refresh_token:
            return _json({"error": "invalid_grant"}, 400)
        token = f"token-{len(self.issued) + 1}"
        self.issued.append(token)
        self.valid.add(token)
        answer: dict[str, object] = {"access_token": token, "token_type": "Bearer"}
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        if self.rotates:
            self.refresh_token = f"refresh-{len(self.issued) + 1}"
            answer["refresh_token"] = self.refresh_token
        return _json(answer)

    def _check(self, arrival: Arrival) -> Reply:
        scheme, _, token = arrival.headers.get("Authorization", "").partition(" ")
        if scheme != self.scheme or token not in self.valid:
            return Reply(401, body=b"who are you?")
        self.accepted.append(arrival)
        return Reply()


def _client_of(form: Mapping[str, str], arrival: Arrival) -> tuple[str, str]:
    """Return ID and secret of the client, from the body or as Basic (RFC 6749, 2.3.1)."""
    scheme, _, value = arrival.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    name, _, secret = base64.b64decode(value).decode().partition(":")
    return unquote(name), unquote(secret)


def _json(answer: object, status: int = 200) -> Reply:
    body = json.dumps(answer).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)
