"""Hooks that are sent once per call, for reports by HTTP."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import update

from callevents.db.models import Delivery, OncePerCall, Pbx
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.enums import CallStatus, DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.report import CallOver, Report
from tests.conftest import Configure
from tests.ingest.accepting import NOW, count
from tests.ingest.calls import deliveries, once_per_call, store, the_end, values
from tests.support.statement_count import counting

DIAL_IN, DIAL_OUT, HANGUP = EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP
ANSWER_IN = EventType.ANSWER_IN
GRACE = timedelta(seconds=3)


def told(event: EventType, extension: str = "101", **more: object) -> Report:
    """Return a report of the call c1."""
    return Report(**{"event_type": event, "extension": extension, "call_id": "c1", **more})  # type: ignore[arg-type]


def test_ring_group_of_five(pbx: Pbx, configure: Configure) -> None:
    """Five phones that ring lead to one dial-in, one answer and one end."""
    for event in (DIAL_IN, ANSWER_IN, HANGUP):
        once_per_call(configure, event)
    phones = ["101", "102", "103", "104", "105"]
    for phone in phones:
        store(pbx, told(DIAL_IN, phone))
    store(pbx, told(ANSWER_IN, "104"))
    for phone in phones:
        store(pbx, told(HANGUP, phone, cause=16))
    found = [(one.event_type, one.extension) for one in deliveries()]
    assert found == [(DIAL_IN, "101"), (ANSWER_IN, "104"), (HANGUP, "104")]
    assert the_end()["AnsweredBy"] == "104"
    assert count(OncePerCall) == 3


def test_ring_group_in_one_report(pbx: Pbx, configure: Configure) -> None:
    """The same if the PBX reports all at once: the first by time counts."""
    for event in (DIAL_IN, ANSWER_IN, HANGUP):
        once_per_call(configure, event)
    store(
        pbx,
        told(DIAL_IN, "102", at=NOW + timedelta(seconds=1)),
        told(DIAL_IN, "101", at=NOW),
        told(ANSWER_IN, "102", at=NOW + timedelta(seconds=2)),
        told(HANGUP, "101", at=NOW + timedelta(seconds=3)),
        told(HANGUP, "102", at=NOW + timedelta(seconds=9)),
    )
    found = [(one.event_type, one.extension) for one in deliveries()]
    assert found == [(DIAL_IN, "101"), (ANSWER_IN, "102"), (HANGUP, "102")]
    assert the_end()["TalkSeconds"] == "7"


def test_hook_of_one_extension(pbx: Pbx, configure: Configure) -> None:
    """A hook of an extension is sent for its calls, and at the end of the whole call."""
    for number in ("101", "102", "103"):
        configure.extension(number)
    for number in ("101", "103"):
        once_per_call(configure, DIAL_IN, number)
        once_per_call(configure, HANGUP, number)
    store(pbx, told(DIAL_IN, "102", peer="103"), told(DIAL_IN, "101"), told(ANSWER_IN, "102"))
    store(pbx, told(HANGUP, "101", cause=26))
    assert [one.event_type for one in deliveries()] == [DIAL_IN]
    store(pbx, told(HANGUP, "102", cause=16))
    dial_in, end = deliveries()
    assert (dial_in.extension, end.extension) == ("101", "101")
    assert (values(end)["Extension"], values(end)["Outcome"]) == ("102", "answered")


def test_sequential_hunting(pbx: Pbx, configure: Configure) -> None:
    """A call that goes on within the grace has not ended: its end is withdrawn without a trace."""
    once_per_call(configure, HANGUP)
    with time_machine.travel(NOW, tick=False) as clock:
        store(pbx, told(DIAL_IN, "101"))
        clock.shift(20)
        store(pbx, told(HANGUP, "101", cause=19))
        [end] = deliveries()
        assert (end.due_at, end.state) == (NOW + timedelta(seconds=23), DeliveryState.PENDING)
        clock.shift(1)
        store(pbx, told(DIAL_IN, "102"))
        assert (list(deliveries()), count(OncePerCall)) == ([], 0)
        clock.shift(5)
        store(pbx, told(ANSWER_IN, "102"))
        clock.shift(60)
        store(pbx, told(HANGUP, "102", cause=16))
        found = the_end()
    assert (found["Outcome"], found["Extension"]) == ("answered", "102")
    assert (found["RingSeconds"], found["TalkSeconds"]) == ("26", "60")


def test_nothing_is_sent_after_the_end(pbx: Pbx, configure: Configure) -> None:
    """Once a worker has the end, later events of the call send nothing; a day later it is new."""
    for event in (DIAL_IN, HANGUP):
        once_per_call(configure, event)
    with time_machine.travel(NOW, tick=False) as clock:
        store(pbx, told(DIAL_IN), told(HANGUP, cause=19))
        db.session.execute(update(Delivery).values(claimed_at=NOW, fence=1))
        db.session.commit()
        clock.shift(60)
        store(pbx, told(DIAL_IN, "102"), told(HANGUP, "102", cause=19))
        assert len(deliveries()) == 2
        clock.shift(timedelta(hours=25))
        store(pbx, told(DIAL_IN, "102"), told(HANGUP, "102", cause=19))
    assert [one.extension for one in deliveries()] == ["101", "101", "102", "102"]
    assert count(OncePerCall) == 2


def test_end_of_a_held_or_suspended_request_is_withdrawn_too(
    pbx: Pbx, configure: Configure
) -> None:
    """Nothing was sent of such an end, so the call may go on."""
    once_per_call(configure, HANGUP)
    for state, error in ((DeliveryState.HELD, ""), (DeliveryState.FAILED, SUSPENDED_ERROR)):
        store(pbx, told(DIAL_IN, call_id=state), told(HANGUP, call_id=state, cause=19))
        db.session.execute(update(Delivery).values(state=state, error=error))
        db.session.commit()
        store(pbx, told(DIAL_IN, "102", call_id=state))
        assert list(deliveries()) == []


def test_failed_end_is_not_withdrawn(pbx: Pbx, configure: Configure) -> None:
    """What was attempted stays as it is."""
    once_per_call(configure, HANGUP)
    store(pbx, told(DIAL_IN), told(HANGUP, cause=19))
    db.session.execute(update(Delivery).values(state=DeliveryState.FAILED, attempts=3))
    db.session.commit()
    store(pbx, told(DIAL_IN, "102"), told(HANGUP, "102", cause=19))
    assert [one.state for one in deliveries()] == [DeliveryState.FAILED]


def test_end_waits_and_lets_others_of_its_call_pass(pbx: Pbx, configure: Configure) -> None:
    """The end is the last delivery of its call, and is not claimed at birth."""
    once_per_call(configure, HANGUP)
    configure.hook("*", HANGUP, "http://crm.example.com/each")
    store(pbx, told(DIAL_IN), told(HANGUP, cause=16), hands_over=True)
    each, end = deliveries()
    assert each.ordering_key == end.ordering_key
    assert (each.url, each.fence, each.deferred) == ("http://crm.example.com/each", 1, False)
    assert (end.fence, end.claimed_at, end.deferred) == (0, None, False)
    assert end.due_at - end.created_at == GRACE
    assert end.expires_at - end.due_at == timedelta(hours=24)


def test_without_a_call_id(pbx: Pbx, configure: Configure) -> None:
    """Without a call ID each event is a call of its own."""
    once_per_call(configure, DIAL_IN)
    once_per_call(configure, HANGUP)
    for extension in ("101", "102"):
        store(pbx, told(DIAL_IN, extension, call_id=""))
    store(pbx, told(HANGUP, call_id="", status=CallStatus.ANSWER, duration_seconds=30))
    assert len(deliveries(DIAL_IN)) == 2
    assert (the_end()["Outcome"], the_end()["TalkSeconds"]) == ("answered", "30")
    assert count(OncePerCall) == 0


def test_other_hooks_cost_nothing_more(pbx: Pbx, configure: Configure) -> None:
    """A PBX without such hooks needs no statement more, and other calls are not looked at."""
    configure.hook("*", HANGUP, "http://crm.example.com/")
    before: list[str] = []
    after: list[str] = []
    with counting(before):
        store(pbx, told(DIAL_IN, call_id="c0"), told(HANGUP, call_id="c0", cause=16))
    once_per_call(configure, DIAL_OUT)
    with counting(after):
        store(pbx, told(DIAL_IN, call_id="c2"), told(HANGUP, call_id="c2", cause=16))
    assert len(after) == len(before)


def test_call_that_nobody_reported(pbx: Pbx, configure: Configure) -> None:
    """A listener's word about a call without events sends nothing."""
    once_per_call(configure, HANGUP)
    store(pbx, overs=[CallOver("c9", NOW)])
    assert list(deliveries()) == []


@pytest.mark.parametrize("is_answered", [False, True])
def test_caller_waits_between_two_rounds(
    pbx: Pbx, configure: Configure, *, is_answered: bool
) -> None:
    """A queue that stops ringing for a while has not ended the call that a listener follows."""
    once_per_call(configure, HANGUP)
    with time_machine.travel(NOW, tick=False) as clock:
        store(pbx, told(DIAL_IN, is_followed=True, queue="support"))
        store(pbx, told(HANGUP, is_followed=True, cause=19, queue="support"))
        clock.shift(30)
        assert [one.due_at for one in deliveries()] == [NOW + timedelta(minutes=10)]
        if is_answered:
            store(pbx, told(DIAL_IN, leg_id="2", is_followed=True))
            store(pbx, told(ANSWER_IN, leg_id="2", is_followed=True))
            clock.shift(10)
            store(pbx, told(HANGUP, leg_id="2", cause=16, is_followed=True))
        over = CallOver("c1", NOW + timedelta(seconds=40), "support", not is_answered)
        store(pbx, overs=[over])
        [end] = deliveries()
    assert values(end)["Outcome"] == ("answered" if is_answered else "abandoned")
    assert values(end)["Queue"] == "support"
    assert end.due_at == end.created_at
