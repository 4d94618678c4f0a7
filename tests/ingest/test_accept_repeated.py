"""Accepting events: duplicates."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from callevents.db.models import CallEvent, Delivery, Pbx
from callevents.ingest.accept import Accepted
from tests.conftest import Configure
from tests.ingest.accepting import AT, DIAL_IN, DIAL_OUT, HANGUP, NOW, accept_now, count, report


def test_duplicate_key_of_the_sender(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """A report with a known key is a duplicate, regardless of its other values and its age."""
    configure.hook("*", DIAL_IN, "http://a/")
    [first] = accept_now(pbx, report(key="k1", call_id="c1"))
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30)):
        [again] = accept_now(pbx, report(HANGUP, key="k1", extension="102"))
    assert again == Accepted(first.id, 0, is_duplicate=True)
    assert (count(CallEvent), count(Delivery)) == (1, 1)
    [elsewhere] = accept_now(other_pbx, report(key="k1"))
    assert not elsewhere.is_duplicate, "another PBX's keys are its own"


def test_duplicate_leg_and_time(pbx: Pbx) -> None:
    """With a time, reports of the same type, extension, leg and time are always duplicates."""
    [first] = accept_now(pbx, report(leg_id="l1", at=AT))
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30)):
        [again] = accept_now(pbx, report(leg_id="l1", at=AT, peer="1", call_id="c2"))
    assert again == Accepted(first.id, 0, is_duplicate=True)
    for other in (
        report(leg_id="l2", at=AT),
        report(leg_id="l1", at=AT + timedelta(milliseconds=1)),
        report(leg_id="l1", at=AT, extension="102"),
        report(DIAL_OUT, leg_id="l1", at=AT),
    ):
        assert not accept_now(pbx, other)[0].is_duplicate


@pytest.mark.parametrize(
    ("identity", "seconds"), [({"leg_id": "l1"}, 600), ({"call_id": "c1"}, 10)]
)
@pytest.mark.parametrize("offset", [0, 3, 9])
def test_duplicate_without_a_time(
    pbx: Pbx, identity: dict[str, str], seconds: int, offset: int
) -> None:
    """Without a time, the same report is a duplicate within the window, at any clock offset."""
    beginning = NOW + timedelta(seconds=offset)
    with time_machine.travel(beginning, tick=False) as clock:
        [first] = accept_now(pbx, report(**identity))
        for elapsed in (1, seconds - 1, seconds):
            clock.move_to(beginning + timedelta(seconds=elapsed))
            assert accept_now(pbx, report(**identity)) == [Accepted(first.id, 0, is_duplicate=True)]
        clock.move_to(beginning + timedelta(seconds=2 * seconds))
        [second] = accept_now(pbx, report(**identity))
        assert not second.is_duplicate
        clock.move_to(beginning + timedelta(seconds=2 * seconds + 1))
        assert accept_now(pbx, report(**identity)) == [Accepted(second.id, 0, is_duplicate=True)]


def test_window_starts_at_the_first_report(pbx: Pbx) -> None:
    """A report just after the first one's window is a new event."""
    with time_machine.travel(NOW + timedelta(seconds=5), tick=False) as clock:
        [first] = accept_now(pbx, report(call_id="c1"))
        clock.move_to(NOW + timedelta(seconds=15, milliseconds=1))
        [second] = accept_now(pbx, report(call_id="c1"))
    assert not second.is_duplicate
    assert second.id != first.id


def test_legs_of_one_call_are_different(pbx: Pbx) -> None:
    """The same event of two legs of a call is two events."""
    accepted = accept_now(pbx, report(call_id="c1", leg_id="l1"), report(call_id="c1", leg_id="l2"))
    assert [one.is_duplicate for one in accepted] == [False, False]


def test_no_duplicates_without_call_and_leg(pbx: Pbx) -> None:
    """Reports without call and leg are never duplicates."""
    assert {one.is_duplicate for one in accept_now(pbx, report(), report())} == {False}
    assert not accept_now(pbx, report())[0].is_duplicate
    assert count(CallEvent) == 3


def test_separator_cannot_be_imitated(pbx: Pbx) -> None:
    """Values that contain punctuation do not produce the key of another event."""
    accepted = accept_now(
        pbx,
        report(extension="1|2", leg_id="3", at=AT),
        report(extension="1", leg_id="2|3", at=AT),
    )
    assert [one.is_duplicate for one in accepted] == [False, False]


def test_duplicate_within_one_batch(pbx: Pbx, configure: Configure) -> None:
    """The second of two equal reports in a batch is a duplicate of the first."""
    configure.hook("*", DIAL_IN, "http://a/")
    accepted = accept_now(pbx, report(key="k"), report(key="other"), report(key="k"))
    assert [one.deliveries for one in accepted] == [1, 1, 0]
    assert accepted[2] == Accepted(accepted[0].id, 0, is_duplicate=True)
    assert count(CallEvent) == 2


def test_batch_with_duplicates_and_new_events(pbx: Pbx) -> None:
    """The new events of a batch with duplicates are stored."""
    [old] = accept_now(pbx, report(key="a"))
    accepted = accept_now(pbx, report(key="b"), report(key="a"), report(key="c"))
    assert [one.is_duplicate for one in accepted] == [False, True, False]
    assert accepted[1].id == old.id
    assert accept_now(pbx) == []
