"""Resending, trying now and cancelling: one, many, and the reasons to skip."""

from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from callevents.db.models import Delivery, Pbx, find_ordering_key, new_id, to_milliseconds, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log.bulk import apply_to_all, count_matching
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.resend import SkipReason, cancel, resend
from callevents.enums import DeliveryState, EventType, ListedState, Method
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, get_delivery, list_attempts
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

URL = "http://a.example.com/"


def change(ids: list[str], **values: object) -> None:
    """Change deliveries."""
    begin_write()
    db.session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(**values))
    db.session.commit()


def test_resent_delivery_is_as_new(
    pbx: Pbx, configure: Configure, report_events: ReportEvents
) -> None:
    """It is due at once with its old id, its age starts again, and it uses the hook's settings."""
    hook = configure.hook("*", EventType.DIAL_IN, URL)
    [delivery_id] = report_events()
    change(
        [delivery_id],
        state=DeliveryState.FAILED,
        attempts=7,
        is_retry=True,
        error="The receiver returned 500.",
        finished_at=utc_now(),
    )
    begin_write()
    hooks.update_hook(hook, hooks.HookData(method=Method.POST, url="http://b.example.com/"))
    hook.give_up_seconds = 300
    db.session.commit()
    fence, now = get_delivery(delivery_id).fence, to_milliseconds(utc_now())
    begin_write()
    assert resend([delivery_id], now).changed == 1
    db.session.commit()
    again = get_delivery(delivery_id)
    assert (again.state, again.is_retry, again.deferred) == (DeliveryState.PENDING, False, False)
    assert (again.attempts, again.attempts_before, again.error) == (7, 7, "")
    assert (again.due_at, again.resent_at) == (now, now)
    assert again.expires_at == now + timedelta(seconds=300)
    assert (again.claimed_at, again.finished_at) == (None, None)
    assert (again.method, again.url) == (Method.POST, "http://b.example.com/")
    assert again.origin_id == hook.origin_id
    assert again.ordering_key == find_ordering_key(
        pbx.id, again.call_id, hook.origin_id, in_order=True
    )
    assert again.fence == fence + 1


def test_receiver_gets_it_again(
    configure: Configure,
    report_events: ReportEvents,
    receiver: Receiver,
    make_engine: MakeEngine,
) -> None:
    """It arrives again with the same delivery id, and its attempt numbers continue."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    engine = make_engine()
    [delivery_id] = report_events()
    engine.drain()
    wait_for_state(delivery_id, DeliveryState.DELIVERED)
    begin_write()
    assert resend([delivery_id], utc_now()).changed == 1
    db.session.commit()
    engine.drain()
    wait_for_state(delivery_id, DeliveryState.DELIVERED)
    assert [one.number for one in list_attempts(delivery_id)] == [1, 2]
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [delivery_id] * 2


def test_refusals(configure: Configure, report_events: ReportEvents) -> None:
    """Nothing is sent for a removed, disabled or suspended hook, nor during an attempt."""
    removed = configure.hook("*", EventType.DIAL_IN, URL)
    disabled = configure.hook("*", EventType.DIAL_OUT, URL)
    suspended = configure.hook("*", EventType.HANGUP, URL)
    configure.hook("*", EventType.ANSWER_IN, URL)
    events = (EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP, EventType.ANSWER_IN)
    ids = [report_events(1, event)[0] for event in events]
    begin_write()
    hooks.clear_hooks([removed])
    hooks.set_active(disabled, active=False)
    suspended.suspended_at = utc_now()
    db.session.commit()
    change(ids[2:3], state=DeliveryState.FAILED)
    change(ids[3:], claimed_at=utc_now(), due_at=utc_now() + timedelta(minutes=1))
    before = [get_delivery(one).state for one in ids]
    reasons = (SkipReason.REMOVED, SkipReason.DISABLED, SkipReason.SUSPENDED, SkipReason.SENDING)
    for delivery_id, reason in zip(ids, reasons, strict=True):
        begin_write()
        assert resend([delivery_id], utc_now()).skipped == Counter([reason])
        db.session.commit()
    begin_write()
    done = resend([*ids, new_id()], utc_now())
    db.session.commit()
    assert (done.changed, done.skipped) == (0, Counter([*reasons, SkipReason.MISSING]))
    assert [get_delivery(one).state for one in ids] == before


def test_waiting_one_is_tried_now(configure: Configure, report_events: ReportEvents) -> None:
    """A delivery that waits for its retry is due at once; expiry and attempts do not change."""
    configure.hook("*", EventType.DIAL_IN, URL)
    [delivery_id] = report_events()
    later = utc_now() + timedelta(hours=3)
    change([delivery_id], due_at=later, attempts=2, is_retry=True, deferred=True)
    before = get_delivery(delivery_id)
    expires_at, fence = before.expires_at, before.fence
    begin_write()
    assert resend([delivery_id], utc_now()).changed == 1
    db.session.commit()
    now = get_delivery(delivery_id)
    assert now.due_at < later - timedelta(hours=2)
    assert (now.deferred, now.is_retry, now.attempts_before, now.resent_at) == (
        False,
        True,
        0,
        None,
    )
    assert (now.expires_at, now.fence) == (expires_at, fence)


def test_cancelling_lets_the_next_of_the_call_go(pbx: Pbx, configure: Configure) -> None:
    """A delivery deferred behind a cancelled one becomes due; finished ones do not change."""
    configure.hook("*", EventType.DIAL_IN, URL)
    configure.hook("*", EventType.HANGUP, URL)
    begin_write()
    for event in (EventType.DIAL_IN, EventType.HANGUP):
        accept(pbx, [Report(event_type=event, extension="1", call_id="c")])
    db.session.commit()
    first, second = db.session.scalars(select(Delivery.id).order_by(Delivery.id)).all()
    later = utc_now() + timedelta(hours=1)
    change([first], due_at=later)
    change([second], due_at=later, deferred=True)
    begin_write()
    assert cancel([first], utc_now()).changed == 1
    db.session.commit()
    cancelled, released = get_delivery(first), get_delivery(second)
    assert (cancelled.state, released.deferred) == (DeliveryState.CANCELLED, False)
    assert cancelled.finished_at is not None
    assert released.due_at <= utc_now()
    begin_write()
    done = cancel([first], utc_now())
    assert (done.changed, done.skipped) == (0, Counter([SkipReason.FINISHED]))
    db.session.rollback()


def act(wanted: Filter) -> list[int]:
    """Resend matching deliveries; return the number processed after each batch."""
    steps = []
    for progress in apply_to_all(resend, wanted, batch=4):
        db.session.commit()
        steps.append(progress.seen)
    return steps


def test_many(pbx: Pbx, configure: Configure, report_events: ReportEvents) -> None:
    """All matching deliveries are processed once, in batches, and counted."""
    hook = configure.hook("*", EventType.DIAL_IN, URL)
    gone = configure.hook("*", EventType.DIAL_IN, URL)
    failed = report_events(11)
    change(failed, state=DeliveryState.FAILED)
    waiting = report_events(2)
    begin_write()
    hooks.clear_hooks([gone])
    db.session.commit()
    wanted = Filter(pbx, ListedState.FAILED)
    summary = count_matching(wanted)
    assert (summary.total, summary.is_more) == (22, False)
    assert summary.states == Counter({DeliveryState.FAILED: 22})
    assert summary.skipped == Counter({SkipReason.REMOVED: 11})
    assert act(wanted) == [4, 8, 12, 16, 20, 22]
    states = Counter(get_delivery(one).state for one in failed)
    assert states == {DeliveryState.PENDING: 11, DeliveryState.FAILED: 11}
    # A delivery that still matches is not processed again.
    assert len(waiting) == 4
    assert act(Filter(pbx, hook=hook.event_id)) == [4, 8, 12, 13]
    few = count_matching(Filter(pbx), max_counted=5)
    assert (few.total, few.is_more) == (5, True)


def test_cancelling_many_is_about_waiting_ones(app: Flask) -> None:
    """A filter for finished deliveries cannot be cancelled."""
    assert Filter().of_pending().state is ListedState.PENDING
    assert Filter(state=ListedState.RETRYING).of_pending().state is ListedState.RETRYING
    assert Filter(state=ListedState.HELD).of_pending().state is ListedState.HELD
    with pytest.raises(InvalidError, match=r"^Only pending and held deliveries"):
        Filter(state=ListedState.FAILED).of_pending()
