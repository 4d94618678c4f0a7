"""Sends queued notifications by e-mail or HTTP, and retries those that failed."""

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

#: Who has claimed a notification sends it within this time; afterwards anybody may.
LEASE = timedelta(minutes=2)
#: So many notifications are told in one e-mail.
BATCH = 50
#: What is told by e-mail waits for so long, so that one tells of all that happen together.
GATHER = timedelta(seconds=20)
#: Waits after failed attempts; the last one repeats until the notification is removed with its age.
WAITS = tuple(timedelta(seconds=n) for n in (10, 30, 60, 300, 900, 3600))
NOT_CONFIGURED = "Nobody is to be told on this channel."

log = structlog.get_logger("callevents.upkeep")


class NotificationSender:
    """Sends what is due. Close it to stop."""

    def __init__(self, database: Engine, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._http_client = HttpClient(settings)

    def interrupt(self) -> None:
        """End what is being sent by HTTP; it is sent again later."""
        self._http_client.interrupt()

    def close(self) -> None:
        """Close all connections."""
        self._http_client.close()

    def send_due(self, now: datetime | None = None) -> int:
        """Send what is due now; return how many notifications were claimed."""
        now = now or utc_now()
        count = 0
        for channel, gather in ((Channel.MAIL, GATHER), (Channel.HTTP, timedelta())):
            with write_transaction(self._database) as connection:
                claimed = claim(connection, channel, now, gather)
            count += len(claimed)
            for group in _groups(channel, claimed):
                self._send(channel, group, now)
        return count

    def _send(self, channel: Channel, group: Sequence[Notification], now: datetime) -> None:
        error, waits = "", True
        try:
            if channel is Channel.MAIL and self._settings.smtp_url:
                send_mail(group, self._settings)
            elif channel is Channel.HTTP and self._settings.notify_url:
                send_notification(group, self._settings, self._http_client)
            else:
                error, waits = NOT_CONFIGURED, False
        except Exception as caught:  # noqa: BLE001  # whatever it is, the notification is sent again
            error = str(caught) or type(caught).__name__
            log.warning("notifications not sent yet", channel=channel, error=error)
        with write_transaction(self._database) as connection:
            if error and waits:
                defer(connection, group, error, now)
            else:
                note_sent(connection, group, error, now)


def claim(
    connection: Connection, channel: Channel, now: datetime, gather: timedelta
) -> Sequence[Notification]:
    """Claim the due notifications of a channel once the first has waited for `gather`."""
    due = (
        Notification.sent_at.is_(None),
        Notification.due_at <= now,
        Notification.channel == channel,
    )
    rows = connection.execute(
        select(Notification.__table__)
        .where(*due)
        .order_by(Notification.due_at, Notification.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    if not rows or min(row.created_at for row in rows) > now - gather:
        return []
    connection.execute(
        update(Notification)
        .where(Notification.id.in_([row.id for row in rows]))
        .values(due_at=now + LEASE, attempts=Notification.attempts + 1)
    )
    return [Notification(**(row._asdict() | {"attempts": row.attempts + 1})) for row in rows]


def note_sent(
    connection: Connection, notifications: Collection[Notification], error: str, now: datetime
) -> None:
    """Note that these have been sent, or why they need not be."""
    connection.execute(
        update(Notification)
        .where(Notification.id.in_([notification.id for notification in notifications]))
        .values(sent_at=now, error=error)
    )


def defer(
    connection: Connection, notifications: Collection[Notification], error: str, now: datetime
) -> None:
    """Let these be tried again later."""
    for notification in notifications:
        wait = WAITS[min(notification.attempts, len(WAITS)) - 1]
        connection.execute(
            update(Notification)
            .where(Notification.id == notification.id)
            .values(due_at=now + wait, error=error)
        )


def _groups(
    channel: Channel, notifications: Sequence[Notification]
) -> list[Sequence[Notification]]:
    """Return what is sent together: one e-mail for all, one request for each."""
    if channel is Channel.MAIL:
        return [notifications] if notifications else []
    return [[notification] for notification in notifications]
