"""The request for an access token: RFC 6749, sections 4.4 (client credentials) and 6 (refresh)."""

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from callevents.delivery.request.build import FORM, JSON, USER_AGENT, Request
from callevents.enums import Method, ReceiverAuth

#: How the client authenticates at the token server.
CLIENT_AUTH_IN_BODY, CLIENT_AUTH_BASIC = "body", "basic"


def build_token_request(auth: ReceiverAuth, credentials: Mapping[str, str]) -> Request:
    """Return the request for an access token.

    `credentials`: token_url, client_id and client_secret; refresh_token for a refresh; perhaps
    scope, and client_auth: in the body, or as Basic.
    """
    fields = {"grant_type": "client_credentials"}
    if auth is ReceiverAuth.REFRESH_TOKEN:
        fields = {"grant_type": "refresh_token", "refresh_token": credentials["refresh_token"]}
    if scope := credentials.get("scope"):
        fields["scope"] = scope
    headers = {"User-Agent": USER_AGENT, "Accept": JSON, "Content-Type": FORM}
    client = {name: credentials[name] for name in ("client_id", "client_secret")}
    if credentials.get("client_auth") == CLIENT_AUTH_BASIC:
        # Encoded first, so that a colon in the ID is not taken for the end of it (section 2.3.1).
        pair = ":".join(quote(value, safe="") for value in client.values())
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        fields |= client
    body = urlencode(fields)
    headers["Content-Length"] = str(len(body))
    # No secrets to mask: the answer is neither stored nor shown, and a mask would spoil a token.
    return Request(Method.POST, credentials["token_url"], headers, body)
