"""Secrets of a receiver that were left out of an import: nothing is sent with what stands there."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.enums import DeliveryState
from callevents.errors import ConflictError
from callevents.extensions import cipher, db
from callevents.hooks.hooks import set_active
from callevents.hooks.suspension import WAITS_FOR_RECEIVER, list_suspended, resume_all
from callevents.receivers.changing import ReceiverChanges, make_changed
from callevents.receivers.receivers import Updated, update_receiver
from callevents.receivers.status import Health, find_status
from callevents.receivers.test_request import send_receiver_test
from tests.receivers.conftest import TOKEN, AddReceiver
from tests.receivers.test_connect import connect_all
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from tests.web.views.test_deliveries import report

NEEDS = (
    "Our CRM was imported without a secret: the token. Nothing is sent to it until an admin enters "
    "it under Receivers, Our CRM, Edit."
)


def enter(receiver: ReceiverRow, **changes: object) -> Updated:
    """Change the receiver, and commit."""
    begin_write()
    done = update_receiver(receiver, make_changed(receiver, ReceiverChanges(**changes)))  # type: ignore[arg-type]
    db.session.commit()
    return done


def suspend(hooks: list[Hook], reason: str = WAITS_FOR_RECEIVER) -> None:
    """Suspend the hooks as an import does."""
    begin_write()
    for hook in hooks:
        hook.suspended_at, hook.suspended_reason = utc_now(), reason
    db.session.commit()


def only_delivery() -> Delivery:
    """Return the delivery as it is stored now."""
    db.session.rollback()
    return db.session.scalars(select(Delivery)).one()


def test_a_test_is_refused(add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver) -> None:
    """With what to enter and where, and nothing is sent."""
    stored = add_receiver(url=receiver.url, token=NOT_IMPORTED)
    assert (find_status(stored).health, find_status(stored).needs) == (Health.NEEDS_SECRET, NEEDS)
    with pytest.raises(ConflictError, match="a secret: the token"):
        send_receiver_test(stored, pbx, 1)
    assert receiver.arrivals == []


def test_deliveries_wait_for_it(
    add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver, engine: Engine
) -> None:
    """A request that was connected since is not sent; entering the secret sends what waits."""
    stored = add_receiver(url=receiver.url, token=NOT_IMPORTED)
    connect_all(stored, pbx)
    report(pbx, "101", "call-1")
    engine.start()
    wait_until(lambda: only_delivery().attempts == 1, "the first attempt")
    waiting = only_delivery()
    assert (waiting.state, receiver.arrivals) == (DeliveryState.PENDING, [])
    assert "Our CRM was imported without a secret: token." in waiting.error
    begin_write()
    waiting.due_at = utc_now() + timedelta(hours=1)
    db.session.commit()
    enter(stored, values={"token": TOKEN})
    engine.wake()
    receiver.wait_for(1)
    assert receiver.arrivals[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_resuming_is_refused(add_receiver: AddReceiver, pbx: Pbx, receiver: Receiver) -> None:
    """One is refused, and of all those stay suspended that lack the secret."""
    lacking = add_receiver(url=receiver.url, token=NOT_IMPORTED)
    complete = add_receiver("Other", url="http://other.example.com")
    hooks = list(connect_all(lacking, pbx).created)
    others = list(connect_all(complete, pbx).created)
    suspend(hooks + others)
    begin_write()
    with pytest.raises(ConflictError, match="Our CRM was imported without a secret"):
        set_active(hooks[0], active=True)
    db.session.rollback()
    found = resume_all(list_suspended())
    assert {hook.id for hook in found.ready} == {hook.id for hook in others}
    assert len(found.sentences) == 1
    assert {hook.id for hook in list_suspended()} == {hook.id for hook in hooks}


def test_entering_the_last_one_resumes(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """Not the first of two; and no request that misses a secret of its own."""
    stored = add_receiver(token=NOT_IMPORTED)
    begin_write()
    stored.client_key = cipher.encrypt(NOT_IMPORTED)
    db.session.commit()
    waiting, own = connect_all(stored, pbx).created
    suspend([waiting, own])
    begin_write()
    own.custom_headers = f'[["X-Key", "{cipher.encrypt(NOT_IMPORTED)}"]]'
    db.session.commit()
    assert enter(stored, values={"token": TOKEN}) == (0, 0)
    assert find_status(stored).missing_secrets == ("client_key",)
    assert enter(stored, name="Another") == (0, 0)
    assert enter(stored, client_key="") == (0, 1)
    assert [hook.id for hook in list_suspended()] == [own.id]
