"""Sends e-mail, such as notifications, through the server of the setting CALLEVENTS_SMTP_URL."""

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import unquote, urlsplit

from callevents.config.settings import Settings
from callevents.db.models import Notification, utc_now

TIMEOUT_SECONDS = 15
PORTS = {"smtp": 25, "smtps": 465}


def send_mail(notifications: Sequence[Notification], settings: Settings) -> None:
    """Send one e-mail about all notifications; raises OSError or SMTPException."""
    send_message(compose(notifications, settings), settings)


def send_message(message: EmailMessage, settings: Settings) -> None:
    """Send the e-mail; raises OSError or SMTPException."""
    url = urlsplit(settings.smtp_url)
    with _connect(url.scheme, url.hostname or "", url.port or PORTS[url.scheme]) as server:
        if url.username:
            if url.scheme == "smtp":
                # Fails if the server has no TLS: the password must not be sent in plain text.
                server.starttls(context=ssl.create_default_context())
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(message)


def compose(notifications: Sequence[Notification], settings: Settings) -> EmailMessage:
    """Return the e-mail about the notifications."""
    message = new_message(_subject(notifications), settings, notifications[0].id)
    message["To"] = ", ".join(settings.mail_to)
    parts = [_describe(notification.facts, settings.public_url) for notification in notifications]
    message.set_content("\n\n".join([*parts, _ADVICE]) + "\n")
    return message


def new_message(subject: str, settings: Settings, message_id: str | None = None) -> EmailMessage:
    """Return an e-mail without recipients and content."""
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["Subject"] = subject
    message["Date"] = format_datetime(utc_now())
    message["Message-ID"] = make_msgid(idstring=message_id)
    message["Auto-Submitted"] = "auto-generated"
    return message


_ADVICE = (
    "Suspended requests are not sent. Resume them on the web pages or with:\n"
    "flask hooks resume EVENT_ID. Then recover the failed deliveries, on the pages or with:\n"
    "flask deliveries recover --hook EVENT_ID --since 2d"
)


def _connect(scheme: str, host: str, port: int) -> smtplib.SMTP:
    if scheme == "smtps":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)


def _subject(notifications: Sequence[Notification]) -> str:
    if len(notifications) > 1:
        return f"Call Events: {len(notifications)} requests are suspended"
    return f"Call Events: {_name(notifications[0].facts)} is suspended"


def _describe(facts: dict[str, Any], public_url: str) -> str:
    lines = [
        f"{_name(facts)} is suspended.",
        f"  Request:   {facts['method']} {facts['url']}",
        f"  Event ID:  {facts['event_id']}",
        f"  Reason:    {facts['reason']}",
    ]
    if facts["failing_since"]:
        lines.append(f"  Failing since {facts['failing_since']}")
    if public_url:
        lines.append(f"  {public_url}{facts['path']}")
    return "\n".join(lines)


def _name(facts: dict[str, Any]) -> str:
    extensions = "all extensions" if facts["extension"] == "*" else facts["extension"]
    return f"{facts['event_label']} of {extensions}, {facts['pbx_name']}"
