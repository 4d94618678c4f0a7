"""A simulated ntfy with access control: messages in JSON.

From binwiederhier/ntfy: server/server.go (maybeAuthenticate, transformBodyJSON, authorizeTopic,
parsePublishParams), server/types.go (publishMessage), server/config.go (topics that are not
allowed), server/errors.go (codes) and docs/publish.md (size of a message). The content type does
not matter. Other ways to publish are not simulated.
"""

import re
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    Refused,
    Simulated,
    as_json,
    check_types,
    parse_object,
    read_header,
)
from tests.support.receiver import Arrival, Reply

TOPIC = "calls-k3v9x1q7w5z2"
TOKEN = "tk_8e1f2a3b4c5d6e7f8a9b0c1d2e3f4"
MAX_BYTES = 2 * 4096
TYPES: dict[str, type] = {
    **dict.fromkeys(("topic", "title", "message", "click", "icon", "attach", "filename"), str),
    **dict.fromkeys(("email", "call", "cache", "firebase", "delay"), str),
    **dict.fromkeys(("tags", "actions"), list),
    "priority": int,
    "markdown": bool,
}
NOT_ALLOWED = {
    *("docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1"),
}
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
#: HTTP status and text, by ntfy's code.
ERRORS = {
    40007: (400, "invalid priority parameter"),
    40009: (400, "invalid request: topic invalid"),
    40010: (400, "invalid request: topic name is not allowed"),
    40024: (400, "invalid request: request body must be valid JSON"),
    40101: (401, "unauthorized"),
    40301: (403, "forbidden"),
    40401: (404, "page not found"),
    41303: (413, "JSON body too large"),
}


class Ntfy(Simulated):
    """Keeps the messages of its topic, for which a token is needed."""

    answers: ClassVar = {"address": "URL", "topic": TOPIC, "token": TOKEN}

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return the message that was published."""
        authorization = read_header(arrival, "Authorization")
        if authorization not in {"", f"Bearer {TOKEN}"}:
            raise _refuse(40101)
        if arrival.method not in {"PUT", "POST"} or arrival.path != "/":
            raise _refuse(40401)
        if len(arrival.body.encode()) > MAX_BYTES:
            raise _refuse(41303)
        message = parse_object(arrival, _refuse_body)
        check_types(message, TYPES, _refuse_body)
        if not all(isinstance(tag, str) for tag in message.get("tags") or []):
            raise _refuse_body("A tag is no text.")
        _check_topic(message.get("topic") or "", is_anonymous=not authorization)
        if message.get("priority") not in {None, 0, 1, 2, 3, 4, 5}:
            raise _refuse(40007)
        self.messages.append({**message, "message": message.get("message") or "triggered"})
        return as_json({"id": str(len(self.messages)), "event": "message", **self.messages[-1]})


def _check_topic(topic: str, *, is_anonymous: bool) -> None:
    if not _TOPIC.fullmatch(topic):
        raise _refuse(40009)
    if topic in NOT_ALLOWED:
        raise _refuse(40010)
    if is_anonymous or topic != TOPIC:
        raise _refuse(40301)


def _refuse_body(_problem: str) -> Refused:
    return _refuse(40024)


def _refuse(code: int) -> Refused:
    status, error = ERRORS[code]
    return Refused(status, {"code": code, "http": status, "error": error})
