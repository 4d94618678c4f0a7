"""Tells a notification to a program, as a POST of JSON to the setting CALLEVENTS_NOTIFY_URL."""

import json
from collections.abc import Sequence

from callevents.config.settings import Settings
from callevents.db.models import Notification
from callevents.delivery.http.client import HttpClient
from callevents.delivery.request.build import USER_AGENT, Request
from callevents.enums import Method


class NotificationError(Exception):
    """The notification was not taken; the text says why."""


def send_notification(
    notifications: Sequence[Notification], settings: Settings, http_client: HttpClient
) -> None:
    """Send each notification; raises NotificationError about the first that is not taken."""
    for notification in notifications:
        answer = http_client.send(build_notification(notification, settings))
        if not answer.is_success:
            raise NotificationError(answer.error)


def build_notification(notification: Notification, settings: Settings) -> Request:
    """Return the request; its `id` is the same each time it is tried."""
    facts = {name: value for name, value in notification.facts.items() if name != "path"}
    if settings.public_url:
        facts["link"] = settings.public_url + notification.facts["path"]
    body = json.dumps(
        {"type": notification.kind, "id": notification.id, "data": facts}, ensure_ascii=False
    )
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Content-Length": str(len(body.encode())),
    }
    return Request(Method.POST, settings.notify_url, headers, body)
