"""A simulated workflow of Microsoft Teams: 'When a Teams webhook request is received'.

From learn.microsoft.com: microsoftteams/platform/webhooks-and-connectors/how-to/
add-incoming-webhook (the message, 28 KB), azure/logic-apps/logic-apps-http-endpoint (202 before the
workflow runs, the signature in the URL) and microsoftteams/platform/concepts/cards/cards-format
(version); and from microsoft/AdaptiveCards, schemas/src: required properties. Elements other than
texts are not simulated.
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.recipes.simulated.base import Refused, Simulated, read_object
from tests.support.receiver import Arrival, Reply

PATH = "/workflows/0f1e2d3c/triggers/manual/paths/invoke"
SIGNATURE = "rT5k-8sVw2QyLxN0bGc7"
URL = f"{PATH}?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
CARD = "application/vnd.microsoft.card.adaptive"
MAX_BYTES = 28 * 1024
WEIGHTS = {"default", "lighter", "bolder"}
_VERSION = re.compile(r"1\.[0-5]")


class Teams(Simulated):
    """Keeps the texts of each card. Runs that fail are refusals, but the response is 202."""

    answers: ClassVar = {"url": f"URL{URL}", "zone": "Europe/Bucharest"}

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[list[str]] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return 202 to each request with the signature, then run the workflow."""
        if (arrival.method, arrival.path) != ("POST", PATH):
            raise _refuse("WorkflowNotFound", 404)
        if parse_qs(urlsplit(arrival.target).query).get("sig") != [SIGNATURE]:
            raise _refuse("DirectApiAuthorizationRequired", 401)
        try:
            self.cards.append(list(_read_message(arrival)))
        except Refused as failed:
            self.refused.append(failed)
        return Reply(202, {}, b"")


def _read_message(arrival: Arrival) -> Iterator[str]:
    message = read_object(arrival, _fail)
    if len(arrival.body.encode()) > MAX_BYTES:
        raise _fail("The message is too large.")
    if message.get("type") != "message" or not _is_list(message.get("attachments")):
        raise _fail("The body is no message with attachments.")
    for attachment in message["attachments"]:
        if attachment.get("contentType") != CARD:
            raise _fail("The attachment is no adaptive card.")
        yield from _read_card(attachment.get("content"))


def _read_card(card: Any) -> Iterator[str]:
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        raise _fail("Property 'type' must be 'AdaptiveCard'.")
    if not _VERSION.fullmatch(str(card.get("version"))):
        raise _fail("Teams does not show this version.")
    if not _is_list(card.get("body")):
        raise _fail("The card shows nothing.")
    for element in card["body"]:
        yield _read_element(element)


def _read_element(element: Any) -> str:
    if element.get("type") == "TextBlock":
        return _read_text(element)
    if element.get("type") != "RichTextBlock" or not _is_list(element.get("inlines")):
        raise _fail("The element is no TextBlock and no RichTextBlock with inlines.")
    if any(run.get("type") != "TextRun" for run in element["inlines"]):
        raise _fail("An inline is no TextRun.")
    return "".join(_read_text(run) for run in element["inlines"])


def _read_text(element: dict[str, Any]) -> str:
    text = element.get("text")
    if not isinstance(text, str) or not text:
        raise _fail("Property 'text' is required.")
    if str(element.get("weight", "Default")).lower() not in WEIGHTS:
        raise _fail("Property 'weight' has an unknown value.")
    return text


def _is_list(found: Any) -> bool:
    """Return True for a list of objects that is not empty."""
    return isinstance(found, list) and bool(found) and all(isinstance(one, dict) for one in found)


def _fail(message: str) -> Refused:
    return Refused(202, {"run": "Failed", "message": message})


def _refuse(code: str, status: int) -> Refused:
    return Refused(status, {"error": {"code": code, "message": code}})
