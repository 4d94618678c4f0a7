"""A simulated Zoho PhoneBridge, with Zoho's accounts server.

From zoho.com/phonebridge/developer/v3: incoming-{ringing,answered,missed}.html and
outgoing-unattended.html. The states of other calls are those of public integrations.
"""

import re
from datetime import datetime
from typing import ClassVar

from tests.recipes.simulated.base import Refused, as_json, read_form, read_header
from tests.recipes.simulated.oauth import CLIENT_ID, CLIENT_SECRET, ClientCredentials
from tests.support.receiver import Arrival, Reply

REFRESH_TOKEN = "1000.refresh.token"
USERS = {"101": "5150000001", "102": "5150000002"}
#: States by type, and those that need `start_time`.
STATES = {
    "received": {"ringing", "answered", "ended", "missed"},
    "dialed": {
        *("ringing", "answered", "ended"),
        *("busy", "invalid", "blocked", "notavailable", "noanswer", "rejected"),
    },
}
WITHOUT_START = {"ringing", "answered"}
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Zoho(ClientCredentials):
    """Keeps the states of each call, in order."""

    answers: ClassVar = {
        "address": "URL",
        "accounts": "URL",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
    }
    users: ClassVar = USERS
    token_path = "/oauth/v2/token"
    scheme = "Zoho-oauthtoken"

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[str]] = {}

    def check_grant(self, fields: dict[str, str]) -> None:
        """Zoho renews tokens by a refresh token only."""
        if fields.get("grant_type") != "refresh_token":
            raise Refused(400, {"error": "invalid_grant_type"})
        if fields.get("refresh_token") != REFRESH_TOKEN:
            raise Refused(400, {"error": "invalid_code"})

    def accept(self, arrival: Arrival) -> Reply:
        """Note the state of a call."""
        if (arrival.method, arrival.path) != ("POST", "/phonebridge/v3/callnotify"):
            raise Refused(404, {"code": "INVALID_URL"})
        if read_header(arrival, "Content-Type") != "application/x-www-form-urlencoded":
            raise _refuse("UNSUPPORTED_MEDIA_TYPE")
        fields = read_form(arrival)
        _check(fields)
        self.calls.setdefault(fields["id"], []).append(fields["state"])
        return as_json({"status": "success", "code": "SUCCESS"})


def _check(fields: dict[str, str]) -> None:
    kind, state = fields.get("type", ""), fields.get("state", "")
    required = ["id", "from", "to", *([] if state in WITHOUT_START else ["start_time"])]
    for name in ("type", "state", *required):
        if not fields.get(name):
            raise _refuse(f"REQUIRED_PARAM_MISSING: {name}")
    if state not in STATES.get(kind, set()):
        raise _refuse(f"INVALID_STATE: {kind} {state}")
    outside = fields["from" if kind == "received" else "to"]
    if not _E164.fullmatch(outside):
        raise _refuse(f"INVALID_NUMBER: {outside}")
    if fields.get("zohouser") not in {None, *USERS.values()}:
        raise _refuse("INVALID_USER")
    if "start_time" in required:
        _check_time(fields["start_time"])


def _check_time(text: str) -> None:
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  # in GMT, without zone
    except ValueError:
        raise _refuse("INVALID_START_TIME") from None


def _refuse(message: str) -> Refused:
    return Refused(400, {"code": "SC_BAD_REQUEST", "message": message})
