"""What a worker sends to a receiver: with its values, credentials and users."""

import json

import pytest
from sqlalchemy import select, update

from callevents.db.models import AuditEntry, Delivery, Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.delivery.log.bulk import count_matching
from callevents.enums import DeliveryState, EventType
from callevents.extensions import cipher, db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.operations import key_rotation
from callevents.receivers.status import Health, failed_since, find_recent, find_status
from callevents.receivers.test_request import send_receiver_test
from callevents.security.encryption import Cipher, make_key
from tests.conftest import Configure
from tests.receivers.conftest import TOKEN, AddReceiver
from tests.receivers.test_connect import connect_all
from tests.support.receiver import Receiver, Reply
from tests.support.statement_count import counting
from tests.support.waiting import wait_for_delivery, wait_until
from tests.web.views.test_deliveries import report


def finish(engine: Engine) -> Delivery:
    """Run the engine until the only delivery has ended; return it."""
    engine.start()

    def ended() -> bool:
        db.session.rollback()
        return db.session.scalars(select(Delivery)).one().state.is_finished

    wait_until(ended, "the end of the delivery")
    return db.session.scalars(select(Delivery)).one()


def test_requests_have_what_is_the_receivers(
    add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver, engine: Engine
) -> None:
    """Values in the URL, the token in the header; the log masks the token."""
    stored = add_receiver(url=receiver.url)
    connect_all(stored, pbx)
    begin_write()
    accept(pbx, [Report(EventType.DIAL_IN, "101", "call-1", peer="+40 21 555")])
    db.session.commit()
    delivery = finish(engine)
    assert delivery.state is DeliveryState.DELIVERED
    [arrival] = receiver.arrivals
    assert arrival.path == "/api/sales/pop"
    assert arrival.headers["Authorization"] == f"Bearer {TOKEN}"
    assert arrival.headers["X-Version"] == "2"
    assert arrival.headers["Content-Type"] == "application/json"
    assert json.loads(arrival.body) == {"from": "+40 21 555"}
    assert find_status(stored).health is Health.HEALTHY
    recent = find_recent(stored)
    assert (recent.waiting, recent.counts) == (0, {DeliveryState.DELIVERED: 1})
    assert recent.last is not None


def test_unreadable_secrets_fail_the_attempt(
    add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver, engine: Engine
) -> None:
    """With a sentence, and nothing is sent."""
    stored = add_receiver(url=receiver.url)
    connect_all(stored, pbx)
    begin_write()
    stored.auth_secret = Cipher(lambda: [make_key()]).encrypt("{}")
    db.session.commit()
    delivery_id = report(pbx, "101", "call-1")
    engine.start()
    delivery = wait_for_delivery(delivery_id, lambda one: one.attempts == 1)
    assert delivery.error.startswith("The secrets of this request cannot be decrypted")
    assert receiver.arrivals == []


def test_other_deliveries_make_no_query_more(
    configure: Configure, pbx: Pbx, receiver: Receiver, engine: Engine
) -> None:
    """Receivers are read only for hooks that have one."""
    configure.hook("*", EventType.DIAL_IN, f"{receiver.url}/calls")
    report(pbx, "101", "call-1")
    statements: list[str] = []
    with counting(statements):
        finish(engine)
    # Besides the limits of receivers, which a worker reads once a second.
    read = [one for one in statements if "FROM receiver" in one]
    assert not [one for one in read if "receiver.max_in_flight IS NOT NULL" not in one]


def test_the_test_request_is_sent_and_recorded(
    add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver
) -> None:
    """For an example call, without a delivery; the history names the receiver."""
    receiver.reply = lambda arrival: Reply(body=arrival.headers["Authorization"].encode())
    stored = add_receiver(url=receiver.url)
    test = send_receiver_test(stored, pbx, 1, extension="107")
    assert test.response.is_success
    assert (test.request, test.shows) == ("pop", "The contact opens.")
    assert TOKEN not in test.response.body
    [arrival] = receiver.arrivals
    assert (arrival.method, arrival.path) == ("POST", "/api/sales/pop")
    assert db.session.scalars(select(Delivery)).all() == []
    last = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
    assert (last.action, last.object_name) == ("test_request.sent", "Our CRM")


def test_failed_deliveries_of_a_receiver_are_found(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """Those of its hooks, and not others to the same host."""
    stored = add_receiver()
    connect_all(stored, pbx)
    configure.hook("*", EventType.HANGUP, "https://crm.example.com/other")
    report(pbx, "101", "call-1", state=DeliveryState.FAILED)
    wanted = failed_since(stored, stored.created_at)
    assert count_matching(wanted).total == 1


@pytest.mark.usefixtures("pbx")
def test_states(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """Unused until something is sent, failing if a request is suspended, paused if it is silent.

    That it is healthy after a success: see the first test.
    """
    stored = add_receiver()
    assert find_status(stored).health is Health.UNUSED
    [pop, _log] = connect_all(stored, pbx).created
    assert find_status(stored).health is Health.UNUSED
    report(pbx, "101", "call-1", attempts=1)
    assert find_status(stored).health is Health.HEALTHY
    pop.suspended_at = pop.created_at
    db.session.commit()
    status = find_status(stored)
    assert (status.health, status.requests, status.active, status.suspended) == (
        Health.FAILING,
        2,
        1,
        1,
    )
    origin = pop.origin
    origin.probe_at = origin.opened_at = pop.created_at
    origin.error = "No connection within 5 seconds."
    db.session.commit()
    status = find_status(stored)
    assert (status.health, status.pause_reason) == (Health.PAUSED, origin.error)


def test_unused_is_told_by_the_newest_deliveries(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """However many a request has: of each, as many as the documents say are searched."""
    stored = add_receiver()
    connect_all(stored, pbx)
    report(pbx, "101", "call-0", attempts=1)
    begin_write()
    accept(pbx, [Report(EventType.DIAL_IN, "101", f"call-{number}") for number in range(1, 100)])
    unsent = update(Delivery).where(Delivery.attempts == 0)
    db.session.execute(unsent.values(state=DeliveryState.SKIPPED))
    db.session.commit()
    assert find_status(stored).health is Health.HEALTHY
    report(pbx, "101", "call-100", state=DeliveryState.SKIPPED)
    assert find_status(stored).health is Health.UNUSED


def test_keys_are_rotated(add_receiver: AddReceiver) -> None:
    """After a rotation, the old key decrypts nothing of a receiver."""
    stored = add_receiver()
    before = (stored.values, stored.auth_secret)
    begin_write()
    assert key_rotation.reencrypt_receivers().unreadable == []
    db.session.commit()
    assert stored.values != before[0]
    assert stored.auth_secret != before[1]
    assert json.loads(cipher.bound.decrypt(stored.auth_secret)) == {"token": TOKEN}
    assert key_rotation.find_unreadable() == []
    begin_write()
    stored.client_key = Cipher(lambda: [make_key()]).encrypt("x")
    db.session.commit()
    assert key_rotation.find_unreadable() == ["the receiver our-crm"]
    begin_write()
    assert key_rotation.reencrypt_receivers().unreadable == ["the receiver our-crm"]
