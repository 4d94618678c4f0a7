"""A simulated receiver with OAuth 2.0: a token endpoint, and a resource that needs its tokens.

From RFC 6749, sections 4.4 (client credentials), 5 and 6 (refresh token), and RFC 6750.
"""

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import unquote

from tests.recipes.simulated.base import (
    Refused,
    Simulated,
    as_json,
    read_basic,
    read_form,
    read_header,
)
from tests.support.receiver import Arrival, Reply

CLIENT_ID = "call-events"
CLIENT_SECRET = "s3cr3t-of-the-client"


class ClientCredentials(Simulated):
    """Issues access tokens to a client, and accepts requests with the newest one."""

    answers: ClassVar = {
        "address": "URL",
        "token_url": "URL/token",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    token_path = "/token"
    scheme = "Bearer"
    expires_in = 3600
    #: The answer to a request without a valid token.
    denial: ClassVar[Mapping[str, str]] = {"error": "invalid_token"}

    def __init__(self) -> None:
        super().__init__()
        #: How many access tokens were issued.
        self.issued = 0
        self.accepted: list[Arrival] = []
        self._is_revoked = False

    def revoke(self) -> None:
        """Accept no token that was issued so far."""
        self._is_revoked = True

    def issue(self) -> str:
        """Return a new access token, the only one that is accepted from now on."""
        self.issued += 1
        self._is_revoked = False
        return self._token

    def answer(self, arrival: Arrival) -> Reply:
        """Issue a token, or accept a request."""
        if arrival.path == self.token_path:
            return self._answer_grant(arrival)
        expected = f"{self.scheme} {self._token}"
        if self._is_revoked or read_header(arrival, "Authorization") != expected:
            raise Refused(401, self.denial)
        self.accepted.append(arrival)
        return self.accept(arrival)

    def accept(self, _arrival: Arrival) -> Reply:
        """Return the response to a request with a valid token; raises Refused."""
        return Reply()

    def check_grant(self, fields: dict[str, str]) -> None:
        """Raise Refused unless the fields of a token request are as this receiver wants them."""
        if fields.get("grant_type") != "client_credentials":
            raise Refused(400, {"error": "unsupported_grant_type"})

    @property
    def _token(self) -> str:
        return f"access-token-{self.issued}"

    def _answer_grant(self, arrival: Arrival) -> Reply:
        if arrival.method != "POST":
            raise Refused(405, {"error": "invalid_request"})
        fields = read_form(arrival)
        if _read_client(arrival, fields) != (CLIENT_ID, CLIENT_SECRET):
            raise Refused(401, {"error": "invalid_client"})
        self.check_grant(fields)
        return as_json(
            {
                "access_token": self.issue(),
                "token_type": self.scheme,
                "expires_in": self.expires_in,
            }
        )


def _read_client(arrival: Arrival, fields: dict[str, str]) -> tuple[str, str]:
    """Return ID and secret of the client: in the body, or as HTTP Basic authentication."""
    if basic := read_basic(arrival):
        return unquote(basic[0]), unquote(basic[1])
    return fields.get("client_id", ""), fields.get("client_secret", "")
