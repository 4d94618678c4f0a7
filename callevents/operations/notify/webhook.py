"""Sends a notification as a JSON POST to the URL of the setting CALLEVENTS_NOTIFY_URL."""

import json
from collections.abc import Sequence

from callevents.config.settings import Settings
from callevents.db.models import Notification
from callevents.delivery.http.client import HttpClient
from callevents.delivery.request.build import USER_AGENT, Request
from callevents.enums import Method


class NotificationError(Exception):
    """The receiver did not accept the notification; the text says why."""


def send_notification(
    notifications: Sequence[Notification], settings: Settings, http_client: HttpClient
) -> None:
    """Send each notification; raises NotificationError for the first that is not accepted."""
    for notification in notifications:
        response = http_client.send(build_notification(notification, settings))
        if not response.is_success:
            raise NotificationError(response.error)


def build_notification(notification: Notification, settings: Settings) -> Request:
    """Return the HTTP request; the `id` in its body is the same in each attempt."""
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
