"""Hooks that are sent once per call, with conditions."""

from typing import Any

import pytest

from callevents.conditions import Conditions
from callevents.db.models import Hook, OncePerCall, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log.resend import resend
from callevents.delivery.removal import undo
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks.hooks import clear_hooks, set_active
from callevents.hooks.suspension import resume
from callevents.ingest.report import CallOver, Report
from tests.conftest import Configure
from tests.ingest.accepting import NOW, count
from tests.ingest.calls import deliveries, once_per_call, store, values

DIAL_IN, ANSWER_IN, HANGUP = EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP
PENDING, SKIPPED = DeliveryState.PENDING, DeliveryState.SKIPPED
HELD, FAILED = DeliveryState.HELD, DeliveryState.FAILED


def told(event: EventType, extension: str = "101", **more: Any) -> Report:
    """Return a report of the call c1."""
    return Report(event_type=event, extension=extension, call_id="c1", **more)


def conditional(configure: Configure, event: EventType, conditions: Conditions) -> Hook:
    """Add a hook that is sent once per call, under conditions."""
    hook = once_per_call(configure, event)
    begin_write()
    hook.conditions = conditions.write()
    db.session.commit()
    return hook


def states() -> list[tuple[DeliveryState, str]]:
    """Return state and extension of each delivery."""
    return [(one.state, one.extension) for one in deliveries()]


def test_first_that_meets_the_conditions(pbx: Pbx, configure: Configure) -> None:
    """A skipped event is listed once, and the first one that meets the conditions is sent."""
    conditional(configure, DIAL_IN, Conditions(queues=("support",)))
    store(pbx, told(DIAL_IN, "101"))
    store(pbx, told(DIAL_IN, "102"))
    assert states() == [(SKIPPED, "101")]
    store(pbx, told(DIAL_IN, "103", queue="support"))
    store(pbx, told(DIAL_IN, "104", queue="support"), told(DIAL_IN, "105"))
    assert states() == [(SKIPPED, "101"), (PENDING, "103")]
    assert count(OncePerCall) == 1


def test_end_sees_the_whole_call(pbx: Pbx, configure: Configure) -> None:
    """A phone that stops ringing because a colleague answered is no missed call."""
    conditional(configure, HANGUP, Conditions(answered=False))
    store(pbx, told(DIAL_IN, "101"), told(DIAL_IN, "102"), told(ANSWER_IN, "102"))
    store(pbx, told(HANGUP, "102", cause=16))
    store(pbx, told(HANGUP, "101", cause=26))
    [end] = deliveries()
    assert (end.state, end.error) == (SKIPPED, "Skipped: the call was answered.")


def test_skipped_end_of_a_call_that_goes_on(pbx: Pbx, configure: Configure) -> None:
    """While the call goes on, its end may still meet the conditions."""
    conditional(configure, HANGUP, Conditions(answered=True))
    store(pbx, told(DIAL_IN, "101"), told(HANGUP, "101", cause=19))
    assert states() == [(SKIPPED, "101")]
    store(pbx, told(DIAL_IN, "102"))
    assert states() == []
    store(pbx, told(ANSWER_IN, "102"), told(HANGUP, "102", cause=16))
    assert states() == [(PENDING, "102")]


@pytest.mark.parametrize("is_cleared", [False, True])
def test_held_end_stays(pbx: Pbx, configure: Configure, *, is_cleared: bool) -> None:
    """The end of a hook that is disabled or cleared is not lost when the call goes on."""
    stopped = once_per_call(configure, HANGUP)
    once_per_call(configure, HANGUP, url="http://other.example.com/")
    store(pbx, told(DIAL_IN, "101"), told(HANGUP, "101", cause=19))
    begin_write()
    removed = None
    if is_cleared:
        removed = clear_hooks([stopped])
    else:
        set_active(stopped, active=False)
    db.session.commit()
    store(pbx, told(DIAL_IN, "102"))
    assert [one.state for one in deliveries()] == [HELD]
    store(pbx, told(HANGUP, "102", cause=19))
    begin_write()
    if removed is not None:
        undo(pbx, removed.id)
    else:
        set_active(stopped, active=True)
    db.session.commit()
    assert [(one.state, one.url) for one in deliveries()] == [
        (PENDING, "http://crm.example.com/"),
        (PENDING, "http://other.example.com/"),
    ]


def ring_both(call_id: str) -> list[Report]:
    """Return the reports of a call that rings 101 and 102, and is not answered."""
    return [
        Report(event_type=event, extension=number, call_id=call_id)
        for event in (DIAL_IN, HANGUP)
        for number in ("101", "102")
    ]


def copies(configure: Configure, event: EventType = HANGUP) -> list[Hook]:
    """Return hooks of 101 and 102 for such an event, which are sent once together."""
    for number in ("101", "102"):
        configure.extension(number)
    made = [once_per_call(configure, event, number) for number in ("101", "102")]
    begin_write()
    for hook in made:
        hook.once_id = made[0].id
    db.session.commit()
    return made


def test_held_end_of_a_copy_is_made_by_another(pbx: Pbx, configure: Configure) -> None:
    """The end of a disabled copy is withdrawn if another copy can make it again."""
    first, _second = copies(configure)
    store(pbx, told(DIAL_IN, "101"), told(HANGUP, "101", cause=19))
    begin_write()
    set_active(first, active=False)
    db.session.commit()
    store(pbx, told(DIAL_IN, "102"), told(HANGUP, "102", cause=19))
    assert states() == [(PENDING, "102")]


@pytest.mark.parametrize("is_suspended", [False, True])
def test_end_of_copies(pbx: Pbx, configure: Configure, *, is_suspended: bool) -> None:
    """A copy that is skipped or suspended leaves the end to the next one."""
    first, second = copies(configure)
    begin_write()
    if is_suspended:
        first.suspended_at = NOW
    else:
        first.conditions = Conditions(queues=("support",)).write()
    db.session.commit()
    store(pbx, *ring_both("c1"))
    assert states() == [(PENDING, "102")]
    begin_write()
    second.conditions = Conditions(queues=("support",)).write()
    db.session.commit()
    # The one that can be resent, if any, is listed.
    store(pbx, *ring_both("c2"))
    expected = (FAILED, "101") if is_suspended else (SKIPPED, "101")
    assert states()[1:] == [expected]


@pytest.mark.parametrize("is_together", [False, True])
@pytest.mark.parametrize("event", [DIAL_IN, ANSWER_IN])
def test_first_of_copies(
    pbx: Pbx, configure: Configure, event: EventType, *, is_together: bool
) -> None:
    """A suspended copy leaves the first dial, or the first answer, to the next one."""
    suspended, _ = copies(configure, event)
    begin_write()
    suspended.suspended_at = NOW
    db.session.commit()
    first, second = told(event, "101"), told(event, "102")
    if is_together:
        store(pbx, first, second)
    else:
        store(pbx, first)
        assert states() == [(FAILED, "101")], "it can be resent if no other copy is sent"
        store(pbx, second)
    assert states() == [(PENDING, "102")]
    store(pbx, told(event, "101", at=NOW))
    assert states() == [(PENDING, "102")]


def test_first_of_a_copy_that_was_resent(pbx: Pbx, configure: Configure) -> None:
    """It is the one of its call."""
    suspended, _ = copies(configure, DIAL_IN)
    begin_write()
    suspended.suspended_at = NOW
    db.session.commit()
    store(pbx, told(DIAL_IN, "101"))
    [failed] = deliveries()
    begin_write()
    resume(suspended)
    assert resend([failed.id], utc_now()).changed == 1
    db.session.commit()
    store(pbx, told(DIAL_IN, "102"))
    assert states() == [(PENDING, "101")]


def test_queue_of_a_call_that_was_abandoned(pbx: Pbx, configure: Configure) -> None:
    """The queue that the listener names counts, although no event has it."""
    conditional(configure, HANGUP, Conditions(queues=("support",), answered=False))
    reports = (told(DIAL_IN, is_followed=True), told(HANGUP, cause=0, is_followed=True))
    store(pbx, *reports, overs=[CallOver("c1", NOW, "support", is_abandoned=True)])
    [end] = deliveries()
    assert (end.state, values(end)["Outcome"]) == (PENDING, "abandoned")
