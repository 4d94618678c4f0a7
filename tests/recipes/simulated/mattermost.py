"""A simulated Mattermost: an incoming webhook.

From mattermost/mattermost: server/channels/web/webhook.go (method and path; the content type does
not matter), server/public/model/incoming_webhook.go (types), server/channels/app/webhook.go
(refusals and their status) and server/channels/app/notification.go (texts with mentions).
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from tests.recipes.simulated.base import Refused, Simulated, check_types, parse_object
from tests.support.receiver import Arrival, Reply

PATH = "/hooks/x7kpq2mn8rs4tv1wy5za3bcd9e"
POST_TYPES: dict[str, type] = {
    **dict.fromkeys(("text", "username", "icon_url", "channel", "type", "icon_emoji"), str),
    "props": dict,
    "attachments": list,
    "priority": dict,
}
ATTACHMENT_TYPES: dict[str, type] = {
    **dict.fromkeys(("fallback", "color", "pretext", "title", "title_link", "text"), str),
    **dict.fromkeys(("author_name", "author_link", "author_icon", "image_url"), str),
    **dict.fromkeys(("thumb_url", "footer", "footer_icon"), str),
    "fields": list,
}
_MENTION = re.compile(r"(?<!\w)@[a-z0-9._-]+", re.IGNORECASE)


class Mattermost(Simulated):
    """Keeps the posts, and who was mentioned in them."""

    answers: ClassVar = {"url": f"URL{PATH}", "zone": "Europe/Bucharest"}

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[dict[str, Any]] = []
        self.mentions: list[str] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return `ok`, or the error with its ID."""
        if arrival.method != "POST" or not re.fullmatch("/hooks/[A-Za-z0-9]+", arrival.path):
            raise _refuse("api.context.404.app_error", 404)
        post = parse_object(arrival, _refuse_body)
        check_types(post, POST_TYPES, _refuse_body)
        for attachment in post.get("attachments") or []:
            if not isinstance(attachment, dict):
                raise _refuse_body("An attachment is no object.")
            check_types(attachment, ATTACHMENT_TYPES, _refuse_body)
        if not post.get("text") and post.get("attachments") is None:
            raise _refuse("web.incoming_webhook.text.app_error")
        if arrival.path != PATH:
            raise _refuse("web.incoming_webhook.invalid.app_error")
        self.posts.append(post)
        self.mentions += [name for text in _texts_with_mentions(post) for name in _find(text)]
        return Reply(200, {"Content-Type": "text/plain"}, b"ok")


def _texts_with_mentions(post: dict[str, Any]) -> Iterator[str]:
    yield post.get("text") or ""
    for attachment in post.get("attachments") or []:
        yield attachment.get("pretext") or ""
        yield attachment.get("text") or ""


def _find(text: str) -> list[str]:
    return _MENTION.findall(text)


def _refuse_body(problem: str) -> Refused:
    return _refuse("model.incoming_hook.parse_data.app_error", detail=problem)


def _refuse(error: str, status: int = 400, detail: str = "") -> Refused:
    body = {"id": error, "message": error, "detailed_error": detail, "status_code": status}
    return Refused(status, body)
