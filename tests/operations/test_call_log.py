"""Calls are what a PBX reported under one call ID, each at the place of its first event."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import ColumnElement, select

from callevents.db.models import CallEvent, Pbx, utc_now
from callevents.enums import CallStatus, EventType
from callevents.extensions import db
from callevents.operations.call_log import MAX_EVENTS, CallFilter, find_call, find_calls
from callevents.operations.event_log import EventFilter, Position
from callevents.operations.number_search import Number
from tests.support.call_events import add_events, make_event

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL = EventFilter()


def is_not_103(one: type[CallEvent]) -> ColumnElement[bool]:
    """Return the condition that hides the events of an extension."""
    return one.extension != "103"


def read(wanted: CallFilter, limit: int = 3, window: int = 11) -> list[list[str]]:
    """Return the IDs of the events of each call, page after page."""
    found: list[list[str]] = []
    after: Position | None = None
    for _ in range(500):
        page = find_calls(wanted, limit=limit, after=after, window=window)
        assert len(page.found) <= limit
        for call in page.found:
            assert call.first.id == call.events[0].id
            found.append([event.id for event in call.events])
        if (after := page.after) is None:
            return found
    raise AssertionError("The pages have no end.")


@pytest.fixture
def log(pbx: Pbx, other_pbx: Pbx) -> list[CallEvent]:
    """Events of calls of two PBXs at random over nine days, in the order in which they came."""
    chance = random.Random(11)  # The same each time.
    now = utc_now()
    add_events(
        *(
            make_event(
                chance.choice([pbx, pbx, other_pbx]),
                now - timedelta(minutes=chance.randrange(9 * 24 * 60)),
                extension=chance.choice(["101", "102", "103"]),
                call_id=chance.choice(["", "c1", "c2", "c3", "c4", "c5", "c6"]),
                peer=chance.choice(["+31 6 12345678", "0612345678", "+316123456789", "200"]),
            )
            for _ in range(120)
        )
    )
    order = CallEvent.received_at, CallEvent.id
    return list(db.session.scalars(select(CallEvent).order_by(*order)))


def group(log: Sequence[CallEvent]) -> list[list[CallEvent]]:
    """Return the calls in plain words, newest first."""
    calls: list[list[CallEvent]] = []
    last: dict[tuple[int, str], list[CallEvent]] = {}
    for event in log:
        if not event.call_id:
            continue
        key = (event.pbx_id, event.call_id)
        if key in last and event.received_at - last[key][-1].received_at <= DAY:
            last[key].append(event)
            continue
        last[key] = [event]
        calls.append(last[key])
    return calls[::-1]


def ids(calls: Sequence[Sequence[CallEvent]]) -> list[list[str]]:
    """Return the IDs of the events."""
    return [[event.id for event in call] for call in calls]


def test_pages_have_all_calls(log: list[CallEvent], pbx: Pbx, other_pbx: Pbx) -> None:
    """All pages together are exactly the calls, whichever PBXs are read and what may be seen."""
    expected = group(log)
    assert len(expected) > 20
    assert max(map(len, expected)) > 3
    assert read(CallFilter(ALL)) == ids(expected)
    of_pbx = [call for call in expected if call[0].pbx_id == pbx.id]
    assert read(CallFilter(EventFilter([pbx.id]))) == ids(of_pbx)
    both = EventFilter([pbx.id, other_pbx.id])
    assert read(CallFilter(both)) == ids(expected)
    visible = group([event for event in log if event.extension != "103"])
    assert read(CallFilter(both, is_visible=is_not_103)) == ids(visible)


def test_filters(log: list[CallEvent]) -> None:
    """A call matches if one of its events does; numbers are found however they are written."""
    calls = group(log)
    of_102 = [call for call in calls if any(event.extension == "102" for event in call)]
    assert 0 < len(of_102) < len(calls)
    assert read(CallFilter(ALL, extension="102")) == ids(of_102)
    same = {"+31 6 12345678", "0612345678"}
    of_number = [call for call in calls if any(event.peer in same for event in call)]
    assert read(CallFilter(ALL, number=Number.of("0031612345678"))) == ids(of_number)
    of_200 = [call for call in calls if any(event.peer == "200" for event in call)]
    assert read(CallFilter(ALL, number=Number.of("200"), extension="102")) == ids(
        [call for call in of_200 if call in of_102]
    )
    middle = log[60].received_at
    since = [call for call in calls if call[0].received_at >= middle]
    assert read(CallFilter(EventFilter(since=middle))) == ids(since)


def test_an_event_finds_its_call(log: list[CallEvent]) -> None:
    """Any event of a call finds all of it."""
    for call in group(log):
        for event in call:
            found = find_call(event)
            assert found is not None
            assert [one.id for one in found.events] == [one.id for one in call]
    assert find_call(next(event for event in log if not event.call_id)) is None


def test_hidden_events_are_no_part_of_a_call(log: list[CallEvent]) -> None:
    """A call begins with its first visible event."""
    visible = group([event for event in log if event.extension != "103"])
    for call in visible:
        found = find_call(call[-1], is_not_103)
        assert found is not None
        assert [one.id for one in found.events] == [one.id for one in call]


def test_a_call_keeps_its_place(pbx: Pbx) -> None:
    """A new event of a listed call moves it nowhere: no call is listed twice, none is missed."""
    now = utc_now()
    add_events(*(make_event(pbx, now - n * HOUR, call_id=f"c{n}") for n in range(4)))
    first = find_calls(CallFilter(ALL), limit=2)
    assert [call.first.call_id for call in first.found] == ["c0", "c1"]
    add_events(make_event(pbx, call_id="c2"), make_event(pbx, call_id="c1"))
    second = find_calls(CallFilter(ALL), limit=2, after=first.after)
    assert [call.first.call_id for call in second.found] == ["c2", "c3"]
    assert len(second.found[0].events) == 2


def test_an_endless_call_is_cut(pbx: Pbx) -> None:
    """A PBX that uses one call ID for everything makes one call, of which a part is returned."""
    now = utc_now()
    rows = [
        make_event(pbx, now - n * timedelta(minutes=5), extension=f"{n}")
        for n in range(MAX_EVENTS + 20)
    ]
    add_events(*rows)
    [call] = find_calls(CallFilter(ALL), limit=5).found
    assert (len(call.events), call.is_cut) == (MAX_EVENTS, True)
    assert call.first.id == rows[-1].id
    # The events that are not shown are not searched either.
    assert find_calls(CallFilter(ALL, extension="1"), limit=5).found == []
    assert len(find_calls(CallFilter(ALL, extension="30"), limit=5).found) == 1


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(EventType.DIAL_IN, CallStatus.CALLING)], CallStatus.CALLING),
        ([(EventType.ANSWER_IN, CallStatus.ANSWER)], CallStatus.ANSWER),
        (
            [(EventType.DIAL_IN, CallStatus.CALLING), (EventType.HANGUP, CallStatus.BUSY)],
            CallStatus.BUSY,
        ),
        (
            [(EventType.HANGUP, CallStatus.ANSWER), (EventType.HANGUP, CallStatus.CANCEL)],
            CallStatus.ANSWER,
        ),
        ([(EventType.DIAL_IN, CallStatus.CALLING), (EventType.HANGUP, None)], None),
    ],
)
def test_the_status_of_a_call(
    pbx: Pbx, events: list[tuple[EventType, CallStatus | None]], expected: CallStatus | None
) -> None:
    """An answer decides, else the last hangup; before one, it is calling."""
    start = utc_now() - HOUR
    add_events(
        *(
            make_event(pbx, start + n * timedelta(seconds=1), event_type=kind, status=status)
            for n, (kind, status) in enumerate(events)
        )
    )
    [call] = find_calls(CallFilter(ALL), limit=5).found
    assert call.status is expected


def test_numbers_and_extensions(pbx: Pbx) -> None:
    """Each is listed once; the extensions are no numbers of others."""
    start = utc_now() - HOUR
    add_events(
        make_event(pbx, start, peer="0612", caller_number="0612", called_number="101"),
        make_event(pbx, start + timedelta(seconds=1), extension="102", called_did="0800"),
    )
    [call] = find_calls(CallFilter(ALL), limit=5).found
    assert call.extensions == ["101", "102"]
    assert call.numbers == ["0612", "0800"]
