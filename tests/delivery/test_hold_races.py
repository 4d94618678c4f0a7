"""An event is accepted while its request is disabled and enabled: the order of the call holds.

Ingest, a user and a worker meet within milliseconds. Each test forces one such order of steps.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, update

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.claim import Claim
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.in_flight import InFlight
from callevents.delivery.lease import UNLIMITED
from callevents.delivery.load_claims import load_sendable
from callevents.delivery.receiver_limits import ReceiverLimits
from callevents.enums import DeliveryState
from callevents.extensions import cipher, db
from callevents.ingest.accept import NewDeliveries, accept
from callevents.ingest.report import Report
from tests.delivery.conftest import ReportCall, get_delivery
from tests.delivery.test_hold import set_active
from tests.support.claims import claim

# SQLite has one writer at a time: whoever disables a request sees all events that are accepted.
pytestmark = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD


@pytest.fixture
def held_and_first(app: Flask, pbx: Pbx, hook: Hook, report_call: ReportCall) -> list[str]:
    """Two deliveries of a call: the first is held, so that the second is the first open one.

    The second was accepted while the request was enabled, and committed after it was disabled.
    """
    [first] = report_call("c1", 1)
    hook_id = hook.id

    def disable() -> None:
        with app.app_context():
            set_active(Hook(id=hook_id), active=False)
            db.session.remove()

    begin_write()
    new = NewDeliveries(hands_over=True)
    accept(pbx, [Report(event_type=hook.event_type, extension="101", call_id="c1")], new)
    user = threading.Thread(target=disable)
    user.start()
    user.join()
    db.session.commit()
    assert new.claimed == [], "it had to wait for the first one"
    with write_transaction(db.engine) as connection:
        # When whoever deferred it looks again.
        connection.execute(update(Delivery).where(Delivery.deferred).values(due_at=utc_now()))
    [second] = db.session.scalars(db.select(Delivery.id).where(Delivery.id != first))
    assert [get_delivery(one).state for one in (first, second)] == [HELD, PENDING]
    return [first, second]


def test_enabled_after_the_second_was_claimed(hook: Hook, held_and_first: list[str]) -> None:
    """The first goes on before the second is loaded: the second is deferred again."""
    first, second = held_and_first
    claimed = claim()
    assert claimed.keys() == {second}
    set_active(hook, active=True)
    claims, deferred = load_sendable(db.engine, claimed, UNLIMITED, cipher.bound)
    waiting = get_delivery(second)
    assert (claims, deferred) == ([], {waiting.ordering_key})
    assert (waiting.state, waiting.deferred, waiting.claimed_at) == (PENDING, True, None)
    assert waiting.due_at > utc_now()
    assert claim(now=utc_now() + timedelta(minutes=1)).keys() == {first}


def test_dispatched_in_order(hook: Hook, held_and_first: list[str], settings: Settings) -> None:
    """The dispatcher submits the first one, and leaves the second for later."""
    first, second = held_and_first
    submitted: list[str] = []

    def submit(_origin_id: int, claims: Sequence[Claim], _slots: int) -> None:
        submitted.extend(claim.delivery_id for claim in claims)

    limits = ReceiverLimits(db.engine)
    dispatcher = Dispatcher(db.engine, settings, InFlight(), submit, limits)
    with enabled_before_loading(hook.id) as enabled:
        dispatcher.drain()
    assert enabled == [True]
    assert submitted == [first]
    assert get_delivery(second).fence == 2, "it was claimed, and let go"


@contextmanager
def enabled_before_loading(hook_id: int) -> Iterator[list[bool]]:
    """Enable the request once, just before claimed deliveries are loaded."""
    enabled: list[bool] = []

    def enable(_1: object, _2: object, statement: str, *_more: object) -> None:
        if " AS first_id" in statement and not enabled:
            enabled.append(True)
            set_active(Hook(id=hook_id), active=True)

    event.listen(db.engine, "before_cursor_execute", enable)
    try:
        yield enabled
    finally:
        event.remove(db.engine, "before_cursor_execute", enable)
