"""Pages of call events have all matching ones, once and in order, however few are checked."""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import product

import pytest
from sqlalchemy import false, select

from callevents.db.models import CallEvent, Pbx, utc_now
from callevents.enums import EventType
from callevents.extensions import db
from callevents.operations.event_log import EPOCH, EventFilter, Position, find_events
from tests.support.call_events import add_events, make_event

EVENTS = (EventType.DIAL_IN, EventType.HANGUP)


@pytest.fixture
def log(pbx: Pbx, other_pbx: Pbx) -> list[CallEvent]:
    """Events of two PBXs at random, several at the same moment; newest first."""
    chance = random.Random(5)  # The same each time.
    now = utc_now()
    add_events(
        *(
            make_event(
                chance.choice([pbx, pbx, other_pbx]),
                now - timedelta(milliseconds=chance.randrange(30)),
                event_type=chance.choice(EVENTS),
                extension=chance.choice(["1", "2", "3"]),
                call_id=chance.choice(["", "c1", "c2"]),
            )
            for _ in range(80)
        )
    )
    order = CallEvent.received_at.desc(), CallEvent.id.desc()
    return list(db.session.scalars(select(CallEvent).order_by(*order)))


def matches(wanted: EventFilter) -> Callable[[CallEvent], bool]:
    """Return the same filter in plain words."""

    def match(one: CallEvent) -> bool:
        checks = (
            wanted.pbx_ids is None or one.pbx_id in wanted.pbx_ids,
            wanted.extension in ("", one.extension),
            wanted.event_type in (None, one.event_type),
            wanted.call_id in ("", one.call_id),
            wanted.since is None or one.received_at >= wanted.since,
            wanted.until is None or one.received_at < wanted.until,
        )
        return all(checks)

    return match


def read(wanted: EventFilter, limit: int, window: int) -> list[str]:
    """Return the IDs of all pages, one after the other."""
    found: list[str] = []
    after = None
    for _ in range(200):
        page = find_events(wanted, limit=limit, after=after, window=window)
        assert len(page.found) <= limit
        found += [one.id for one in page.found]
        if page.after is None:
            return found
        after = Position.parse(str(page.after))
        assert after == page.after
    raise AssertionError("The pages have no end.")


def test_pages_have_all_that_matches(log: list[CallEvent], pbx: Pbx, other_pbx: Pbx) -> None:
    """Whatever meets in a filter: all its pages together are exactly what matches, in order."""
    middle = log[40].received_at
    every = product(
        (None, [pbx.id], [pbx.id, other_pbx.id], []),
        ({}, {"extension": "2"}, {"event_type": EventType.HANGUP}),
        ({}, {"since": middle}, {"until": middle}),
    )
    for pbx_ids, values, times in every:
        wanted = EventFilter(pbx_ids, **values, **times)
        expected = [one.id for one in log if matches(wanted)(one)]
        assert read(wanted, limit=7, window=16) == expected, (pbx_ids, values, times)


def test_events_of_a_call(log: list[CallEvent], pbx: Pbx) -> None:
    """A call ID finds its events of that PBX."""
    wanted = EventFilter([pbx.id], call_id="c2", extension="1")
    expected = [one.id for one in log if matches(wanted)(one)]
    assert len(expected) > 2
    assert read(wanted, limit=2, window=6) == expected


def test_more_conditions(log: list[CallEvent], pbx: Pbx) -> None:
    """A condition that nothing meets: the search goes on to the end, window by window."""
    assert read(EventFilter([pbx.id], rest=[lambda _one: false()]), limit=7, window=5) == []
    page = find_events(EventFilter(rest=[lambda _one: false()]), limit=7, window=5)
    assert page.after == Position.of(log[4])


def test_rows_that_are_added_meanwhile(pbx: Pbx) -> None:
    """Newer events between two pages cause no gaps and no repeats."""
    ids = add_events(*(make_event(pbx, utc_now() - timedelta(seconds=n)) for n in range(9)))
    for pbx_ids in (None, [pbx.id]):
        found, after = [], None
        read_page = partial(find_events, EventFilter(pbx_ids), limit=2)
        while (page := read_page(after=after)).after or page.found:
            found += [one.id for one in page.found]
            add_events(make_event(pbx))
            if (after := page.after) is None:
                break
        assert found[-len(ids) :] == ids
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("text", ["", "x", "12", "12.x", "-1.{id}", "1e3.{id}", "{id}", "٣.{id}"])
def test_other_texts_are_no_position(text: str) -> None:
    """Only what was written as a position is read as one."""
    event_id = "019caa1e-6a19-7c41-9f3d-2e8b7a5c4d01"
    assert Position.parse(text.format(id=event_id)) is None
    assert Position.parse(f"5.{event_id}") == Position(EPOCH + timedelta(milliseconds=5), event_id)
