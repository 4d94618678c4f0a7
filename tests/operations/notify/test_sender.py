"""Notifications of suspended requests: sent by e-mail and HTTP, never lost, never blocking."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from callevents.config.settings import Settings
from callevents.db.models import Hook, Notification, Pbx, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.engine import Engine
from callevents.delivery.suspend import suspend
from callevents.enums import Channel, EventType
from callevents.extensions import db
from callevents.operations.notify import sender as sender_module
from callevents.operations.notify.sender import (
    LEASE,
    MAIL_DELAY,
    NOT_CONFIGURED,
    RETRY_DELAYS,
    NotificationSender,
    claim_due,
)
from callevents.operations.scheduler import Scheduler
from tests.conftest import Configure
from tests.support.mail_server import MailServer
from tests.support.ports import find_free_port
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until

REASON = "The receiver returned 410 Gone."


@pytest.fixture
def notify_settings(settings: Settings, mail_server: MailServer, receiver: Receiver) -> Settings:
    """Settings with both channels configured."""
    return settings.model_copy(
        update={
            "smtp_url": mail_server.url,
            "mail_from": "calls@example.com",
            "mail_to": ("olga@example.com", "night@example.com"),
            "notify_url": receiver.url + "/notifications",
            "public_url": "https://calls.example",
        }
    )


@pytest.fixture
def sender(notify_settings: Settings) -> Iterator[NotificationSender]:
    """A worker's notification sender."""
    sender = NotificationSender(db.engine, notify_settings)
    yield sender
    sender.close()


@pytest.fixture
def hook(configure: Configure) -> Hook:
    """A request with a secret in its URL."""
    configure.extension("101", "Reception")
    return configure.hook("101", EventType.HANGUP, "https://crm.example.com/cdr?key=geheim")


def suspend_now(hook: Hook) -> None:
    """Suspend the hook, as the recorder does."""
    hook_id = hook.id
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        suspend(connection, hook_id, REASON, utc_now())


def notifications() -> dict[Channel, Notification]:
    """Return the only notification of each channel, as it is stored now."""
    db.session.rollback()
    found = db.session.query(Notification).all()
    assert len(found) == len(Channel)
    return {notification.channel: notification for notification in found}


def test_suspension_is_sent_by_mail_and_http(
    hook: Hook, sender: NotificationSender, mail_server: MailServer, receiver: Receiver
) -> None:
    """Both contain request, reason and link, and no secret of the URL."""
    suspend_now(hook)
    sender.send_due(utc_now() + MAIL_DELAY)
    [mail] = mail_server.mails
    assert mail["Subject"] == "Call Events: Hangup of 101, Head office is suspended"
    assert (mail["From"], mail["To"]) == (
        "calls@example.com",
        "olga@example.com, night@example.com",
    )
    text = mail.get_content()
    page = f"https://calls.example/pbxs/head-office/extensions/{hook.extension_id}"
    for part in (REASON, hook.event_id, "https://crm.example.com/cdr", page):
        assert part in text
    [arrival] = receiver.wait_for(1)
    assert (arrival.method, arrival.path) == ("POST", "/notifications")
    body = json.loads(arrival.body)
    assert body["type"] == "hook.suspended"
    assert body["data"]["reason"] == REASON
    assert body["data"]["event_id"] == hook.event_id
    assert (body["data"]["pbx"], body["data"]["extension"]) == ("head-office", "101")
    assert body["data"]["link"] == page
    assert "geheim" not in text + arrival.body
    assert all(
        notification.sent_at and not notification.error for notification in notifications().values()
    )
    assert sender.send_due(utc_now() + timedelta(days=1)) == 0, "each is sent once"


def test_many_suspensions_are_one_mail(
    configure: Configure, sender: NotificationSender, mail_server: MailServer, receiver: Receiver
) -> None:
    """Suspensions of many requests at the same time are sent in one e-mail."""
    for number in range(3):
        configure.extension(f"10{number}")
        suspend_now(configure.hook(f"10{number}", EventType.HANGUP, "http://crm.example.com/"))
    sender.send_due()
    assert mail_server.mails == [], "the e-mail waits for other suspensions"
    assert len(receiver.wait_for(3)) == 3, "HTTP notifications are sent at once, one for each"
    sender.send_due(utc_now() + MAIL_DELAY)
    [mail] = mail_server.mails
    assert mail["Subject"] == "Call Events: 3 requests are suspended"
    assert mail.get_content().count(REASON) == 3


def test_what_fails_is_tried_again(
    hook: Hook, sender: NotificationSender, mail_server: MailServer, receiver: Receiver
) -> None:
    """A failed channel is retried after a delay, and does not delay the other one."""
    mail_server.refusal = "451 come back later"
    receiver.reply = lambda _arrival: Reply(503)
    suspend_now(hook)
    now = utc_now() + MAIL_DELAY
    sender.send_due(now)
    found = notifications()
    assert "451" in found[Channel.MAIL].error
    assert "503" in found[Channel.HTTP].error
    for notification in found.values():
        assert (notification.sent_at, notification.attempts) == (None, 1)
        assert notification.due_at == now + RETRY_DELAYS[0]
    assert sender.send_due(now + RETRY_DELAYS[0] / 2) == 0, "not due yet"
    receiver.reply = lambda _arrival: Reply(204)
    sender.send_due(now + RETRY_DELAYS[0])
    found = notifications()
    assert (found[Channel.HTTP].error, found[Channel.HTTP].attempts) == ("", 2)
    assert found[Channel.HTTP].sent_at
    assert found[Channel.MAIL].sent_at is None
    assert len({json.loads(one.body)["id"] for one in receiver.arrivals}) == 1
    mail_server.refusal = ""
    sender.send_due(now + RETRY_DELAYS[0] + RETRY_DELAYS[1])
    assert len(mail_server.mails) == 1


def test_killed_sender_loses_nothing(
    hook: Hook, sender: NotificationSender, mail_server: MailServer
) -> None:
    """A claimed notification that was not sent is sent by another worker after the lease."""
    suspend_now(hook)
    now = utc_now() + MAIL_DELAY
    for channel in Channel:
        with write_transaction(db.engine) as connection:
            assert len(claim_due(connection, channel, now, timedelta())) == 1
    assert sender.send_due(now + LEASE / 2) == 0
    assert sender.send_due(now + LEASE) == 2
    assert len(mail_server.mails) == 1


def test_two_senders_send_once(
    hook: Hook, sender: NotificationSender, notify_settings: Settings, receiver: Receiver
) -> None:
    """Two workers that claim at the same moment send it once."""
    suspend_now(hook)
    engine = db.engine
    other = NotificationSender(engine, notify_settings)
    threads = [
        threading.Thread(target=one.send_due, args=(utc_now() + MAIL_DELAY,))
        for one in (sender, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert len(receiver.arrivals) == 1


def test_suspension_that_is_rolled_back_is_not_sent(hook: Hook, sender: NotificationSender) -> None:
    """A notification is stored in the transaction of its suspension."""
    hook_id = hook.id
    db.session.rollback()

    with db.engine.connect() as connection:
        suspend(connection, hook_id, REASON, utc_now())
        connection.rollback()
    assert sender.send_due(utc_now() + MAIL_DELAY) == 0
    db.session.rollback()
    assert db.session.query(Notification).count() == 0


def test_no_channel_is_configured(hook: Hook, settings: Settings) -> None:
    """Without settings nothing is sent, and no notification waits forever."""
    suspend_now(hook)
    sender = NotificationSender(db.engine, settings)
    sender.send_due(utc_now() + MAIL_DELAY)
    sender.close()
    assert all(n.sent_at and n.error == NOT_CONFIGURED for n in notifications().values())


def test_internal_address_is_refused(hook: Hook, notify_settings: Settings) -> None:
    """Notifications go where requests may go: not to internal addresses unless allowed."""
    suspend_now(hook)
    sender = NotificationSender(
        db.engine, notify_settings.model_copy(update={"allowed_networks": ()})
    )
    sender.send_due()
    sender.close()
    assert "127.0.0.1" in notifications()[Channel.HTTP].error


def test_password_needs_tls(hook: Hook, notify_settings: Settings, mail_server: MailServer) -> None:
    """A password is not sent to a mail server without TLS; the notification waits."""
    url = mail_server.url.replace("//", "//robot:geheim@")
    suspend_now(hook)
    sender = NotificationSender(db.engine, notify_settings.model_copy(update={"smtp_url": url}))
    sender.send_due(utc_now() + MAIL_DELAY)
    sender.close()
    assert "STARTTLS" in notifications()[Channel.MAIL].error
    assert mail_server.mails == mail_server.logins == []


def test_mail_server_that_is_not_there(
    hook: Hook, notify_settings: Settings, receiver: Receiver
) -> None:
    """An HTTP notification is sent even if the mail server is down."""
    url = f"smtp://127.0.0.1:{find_free_port()}"
    suspend_now(hook)
    sender = NotificationSender(db.engine, notify_settings.model_copy(update={"smtp_url": url}))
    sender.send_due(utc_now() + MAIL_DELAY)
    sender.close()
    assert "refused" in notifications()[Channel.MAIL].error
    assert len(receiver.arrivals) == 1


def test_removed_hook_is_still_notified(
    configure: Configure, hook: Hook, sender: NotificationSender, mail_server: MailServer, pbx: Pbx
) -> None:
    """A notification describes the request as it was, even if it was removed meanwhile."""
    suspend_now(hook)
    with write_transaction(db.engine) as connection:
        connection.execute(Hook.__table__.delete())
    sender.send_due(utc_now() + MAIL_DELAY)
    assert "Hangup of 101" in mail_server.mails[0]["Subject"]


def test_waits_grow_and_end(hook: Hook, sender: NotificationSender, monkeypatch: Any) -> None:
    """Retry delays never shrink; the last one repeats."""
    monkeypatch.setattr(sender_module, "send_mail", _fail)
    assert list(RETRY_DELAYS) == sorted(RETRY_DELAYS)
    suspend_now(hook)
    moment = utc_now() + MAIL_DELAY
    for number in range(1, len(RETRY_DELAYS) + 3):
        sender.send_due(moment)
        notification = notifications()[Channel.MAIL]
        assert notification.attempts == number
        assert notification.due_at - moment == RETRY_DELAYS[min(number, len(RETRY_DELAYS)) - 1]
        moment = notification.due_at


def _fail(*_arguments: object) -> None:
    raise OSError("the mail server is on fire")


def test_from_the_answer_to_the_mail(
    client: FlaskClient,
    token: str,
    configure: Configure,
    engine: Engine,
    notify_settings: Settings,
    mail_server: MailServer,
    receiver: Receiver,
) -> None:
    """A receiver returns 410; the worker suspends the request and sends the notifications."""
    receiver.reply = lambda arrival: Reply(410 if arrival.path == "/gone" else 204)
    hook = configure.hook("*", EventType.DIAL_IN, receiver.url + "/gone")
    event_id = hook.event_id
    scheduler = Scheduler(
        db.engine, notify_settings, notification_seconds=0.05, mail_delay=timedelta()
    )
    engine.start()
    scheduler.start()
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101&call=c1")
    wait_until(lambda: mail_server.mails, "the e-mail")
    assert event_id in mail_server.mails[0].get_content()
    wait_until(
        lambda: [one for one in receiver.arrivals if one.path == "/notifications"],
        "the notification",
    )
    scheduler.close()
