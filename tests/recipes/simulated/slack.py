"""A simulated Slack: an incoming webhook.

From docs.slack.dev: reference/block-kit/composition-objects/text-object (length of a text),
messaging/formatting-message-text (markup), apis/web-api/rate-limits (one message a second).
"""

import re
from typing import Any, ClassVar

from tests.recipes.simulated.base import Refused, Simulated, read_json
from tests.support.receiver import Arrival, Reply

PATH = "/services/T012AB3CD/B045EF6GH/x7KpQ2mN8rS4tV1wY5zA3bCd"
MAX_TEXT = 3000
MAX_BLOCKS = 50
#: Links, and mentions of users, channels and everybody.
_MARKUP = re.compile(r"<[^>]+>")


class Slack(Simulated):
    """Keeps the messages: the texts of each one's blocks."""

    answers: ClassVar = {"url": f"URL{PATH}", "zone": "Europe/Bucharest"}

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return `ok`, or the error that Slack names in a text."""
        if arrival.path != PATH:
            raise Refused(404, "no_service")
        message = read_json(arrival, lambda _problem: Refused(400, "invalid_payload"))
        if not isinstance(message, dict) or not (message.get("text") or message.get("blocks")):
            raise Refused(400, "no_text")
        if _MARKUP.search(message.get("text", "")):
            raise Refused(400, "The text has markup that came from a call.")
        blocks = message.get("blocks", [])
        if len(blocks) > MAX_BLOCKS:
            raise Refused(400, "invalid_blocks")
        self.messages.append("\n".join(_read_block(block) for block in blocks) or message["text"])
        return Reply()


def _read_block(block: Any) -> str:
    text = block.get("text", {}) if block.get("type") == "section" else {}
    if text.get("type") not in {"plain_text", "mrkdwn"}:
        raise Refused(400, "invalid_blocks")
    content = text.get("text")
    if not isinstance(content, str) or not 1 <= len(content) <= MAX_TEXT:
        raise Refused(400, "invalid_blocks")
    if text["type"] == "mrkdwn" and _MARKUP.search(content):
        raise Refused(400, "The text has markup that came from a call.")
    return content
