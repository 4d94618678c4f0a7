"""Sends queued notifications by e-mail and HTTP, and retries failed ones."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine, select, update

from callevents.config.settings import Settings
from callevents.db.models import Notification, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.http.client import HttpClient
from callevents.enums import Channel
from callevents.operations.notify.email import send_mail
from callevents.operations.notify.webhook import send_notification

#: After this time without a result another worker may claim the notification.
LEASE = timedelta(minutes=2)
#: Maximum number of notifications in one e-mail.
BATCH_SIZE = 50
#: An e-mail waits for this time, so that it covers all that happens together.
MAIL_DELAY = timedelta(seconds=20)
#: Delays after failed attempts; the last one repeats until retention removes the notification.
RETRY_DELAYS = tuple(timedelta(seconds=n) for n in (10, 30, 60, 300, 900, 3600))
NOT_CONFIGURED = "This channel is not configured."

log = structlog.get_logger("callevents.operations")


class NotificationSender:
    """Sends due notifications. Close it to stop."""

    def __init__(
        self, database: Engine, settings: Settings, *, mail_delay: timedelta = MAIL_DELAY
    ) -> None:
        self._database = database
        self._settings = settings
        self._delays = {Channel.MAIL: mail_delay, Channel.HTTP: timedelta()}
        self._http_client = HttpClient(settings)

    def interrupt(self) -> None:
        """Abort the current HTTP request; its notification is sent again later."""
        self._http_client.interrupt()

    def close(self) -> None:
        """Close all connections."""
        self._http_client.close()

    def send_due(self, now: datetime | None = None) -> int:
        """Send due notifications; return the number claimed."""
        now = now or utc_now()
        count = 0
        for channel, delay in self._delays.items():
            with write_transaction(self._database) as connection:
                claimed = claim_due(connection, channel, now, delay)
            count += len(claimed)
            for group in _group(channel, claimed):
                self._send(channel, group, now)
        return count

    def _send(self, channel: Channel, group: Sequence[Notification], now: datetime) -> None:
        error, is_retryable = "", True
        try:
            if channel is Channel.MAIL and self._settings.smtp_url:
                send_mail(group, self._settings)
            elif channel is Channel.HTTP and self._settings.notify_url:
                send_notification(group, self._settings, self._http_client)
            else:
                error, is_retryable = NOT_CONFIGURED, False
        except Exception as caught:  # noqa: BLE001  # whatever fails, the notification is retried
            error = str(caught) or type(caught).__name__
            log.warning("could not send notifications", channel=channel, error=error)
        with write_transaction(self._database) as connection:
            if error and is_retryable:
                defer(connection, group, error, now)
            else:
                mark_sent(connection, group, error, now)


def claim_due(
    connection: Connection, channel: Channel, now: datetime, delay: timedelta
) -> Sequence[Notification]:
    """Claim the due notifications of a channel once the oldest has waited for `delay`."""
    due = (
        Notification.sent_at.is_(None),
        Notification.due_at <= now,
        Notification.channel == channel,
    )
    rows = connection.execute(
        select(Notification.__table__)
        .where(*due)
        .order_by(Notification.due_at, Notification.id)
        .limit(BATCH_SIZE)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows or min(row.created_at for row in rows) > now - delay:
        return []
    connection.execute(
        update(Notification)
        .where(Notification.id.in_([row.id for row in rows]))
        .values(due_at=now + LEASE, attempts=Notification.attempts + 1)
    )
    return [Notification(**(row._asdict() | {"attempts": row.attempts + 1})) for row in rows]


def mark_sent(
    connection: Connection, notifications: Collection[Notification], error: str, now: datetime
) -> None:
    """Mark notifications as sent, or as final with an error."""
    connection.execute(
        update(Notification)
        .where(Notification.id.in_([notification.id for notification in notifications]))
        .values(sent_at=now, error=error)
    )


def defer(
    connection: Connection, notifications: Collection[Notification], error: str, now: datetime
) -> None:
    """Schedule the notifications for a retry."""
    for notification in notifications:
        wait = RETRY_DELAYS[min(notification.attempts, len(RETRY_DELAYS)) - 1]
        connection.execute(
            update(Notification)
            .where(Notification.id == notification.id)
            .values(due_at=now + wait, error=error)
        )


def _group(channel: Channel, notifications: Sequence[Notification]) -> list[Sequence[Notification]]:
    """Group notifications by message: one e-mail for all, one HTTP request for each."""
    if channel is Channel.MAIL:
        return [notifications] if notifications else []
    return [[notification] for notification in notifications]
