"""Tells a notice to a program, as a POST of JSON to the setting CALLEVENTS_NOTIFY_URL."""

import json
from collections.abc import Sequence

from callevents.config.settings import Settings
from callevents.db.models import Notice
from callevents.delivery.http.client import Transport
from callevents.delivery.request.build import USER_AGENT, Request
from callevents.enums import Method


class NotificationError(Exception):
    """The notification was not taken; the text says why."""


def send_notification(notices: Sequence[Notice], settings: Settings, transport: Transport) -> None:
    """Send each notice; raises NotificationError about the first that is not taken."""
    for notice in notices:
        answer = transport.send(build_notification(notice, settings))
        if not answer.is_success:
            raise NotificationError(answer.error)


def build_notification(notice: Notice, settings: Settings) -> Request:
    """Return the request; its `id` is the same each time it is tried."""
    facts = {name: value for name, value in notice.facts.items() if name != "path"}
    if settings.public_url:
        facts["link"] = settings.public_url + notice.facts["path"]
    body = json.dumps({"type": notice.kind, "id": notice.id, "data": facts}, ensure_ascii=False)
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Content-Length": str(len(body.encode())),
    }
    return Request(Method.POST, settings.notify_url, headers, body)
