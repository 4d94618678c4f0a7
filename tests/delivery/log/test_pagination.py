"""Pages have all matching deliveries, once and in order, however few rows are checked."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select, update

from callevents.db.models import Delivery, Pbx, id_created_at, new_id, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log.filters import Filter, phase_of
from callevents.delivery.log.pagination import find_page
from callevents.enums import DeliveryState, EventType, ListedState
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.hooks.hooks import HookData, create_hook
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import pbxs

EVENTS = (EventType.DIAL_IN, EventType.HANGUP)


@pytest.fixture
def log(pbx: Pbx) -> list[Delivery]:
    """Deliveries of all states, extensions, events and three PBXs at random, newest first."""
    begin_write()
    every = [pbx, *(pbxs.add_pbx(name)[0] for name in ("Branch", "Silent", "Shop"))]
    for one, event in product(every, EVENTS):
        create_hook(one, None, event, HookData(url=f"https://{event.slug}.example.com/"))
    db.session.commit()
    chance = random.Random(7)  # The same each time.
    begin_write()
    for number in range(60):
        event, extension = chance.choice(EVENTS), chance.choice(("1", "2", "3"))
        report = Report(
            event_type=event, extension=extension, call_id=f"c{number % 9}", leg_id=new_id()
        )
        accept(chance.choice([every[0], every[0], every[1], every[3]]), [report])
    db.session.flush()
    for one in db.session.scalars(select(Delivery).order_by(Delivery.id)):
        one.state = chance.choice([DeliveryState.DELIVERED, *DeliveryState])
        one.attempts = chance.randrange(2)
        if chance.random() < 0.3:
            one.claimed_at, one.due_at = utc_now(), utc_now() + timedelta(hours=1)
    db.session.commit()
    return list(db.session.scalars(select(Delivery).order_by(Delivery.id.desc())))


def matches(wanted: Filter) -> Callable[[Delivery], bool]:
    """Return the same filter in plain words."""

    def match(one: Delivery) -> bool:
        phase = phase_of(one)
        is_open = one.state is DeliveryState.PENDING
        checks = (
            wanted.pbx in (None, one.pbx),
            wanted.state in (None, phase) or (wanted.state is ListedState.PENDING and is_open),
            wanted.extension in ("", one.extension),
            wanted.event_type in (None, one.event_type),
            wanted.hook in ("", one.hook_event_id),
            not wanted.origin or one.url.startswith(wanted.origin),
            wanted.call_id in ("", one.call_id),
            wanted.since is None or id_created_at(one.id) >= wanted.since,
            wanted.until is None or id_created_at(one.id) < wanted.until,
        )
        return all(checks)

    return match


def read(wanted: Filter, limit: int, **limits: int) -> list[str]:
    """Return the ids of all pages, one after the other."""
    found: list[str] = []
    before = None
    for _ in range(200):
        page = find_page(wanted, limit=limit, before=before, **limits)
        assert len(page.found) <= limit
        found += [one.id for one in page.found]
        if page.before is None:
            return found
        assert before is None or page.before < before
        before = page.before
    raise AssertionError("The pages have no end.")


@pytest.mark.slow
def test_pages_have_all_that_matches(log: list[Delivery], pbx: Pbx) -> None:
    """Whatever meets in a filter: all its pages together are exactly what matches."""
    middle = id_created_at(log[30].id)
    hook = next(one.hook_event_id for one in log if one.pbx_id == pbx.id)
    every = product(
        (None, pbx),
        (None, *ListedState),
        ({}, {"extension": "2"}, {"call_id": "c3"}, {"hook": hook}, {"hook": "nobody"}),
        ({}, {"event_type": EventType.HANGUP}, {"origin": "https://hangup.example.com"}),
        ({}, {"since": middle}, {"until": middle}),
    )
    # Of the hundreds, some; the same each time.
    for given in random.Random(3).sample(list(every), 60):
        wanted = Filter(given[0], given[1], **given[2], **given[3], **given[4])
        expected = [one.id for one in log if matches(wanted)(one)]
        assert read(wanted, limit=7, window=16) == expected, given


def test_it_is_said_how_far_was_looked(log: list[Delivery], pbx: Pbx) -> None:
    """A page that reached the search limit says how far it searched."""
    nothing = Filter(pbx, ListedState.DELIVERED, origin="http://x")
    # No such receiver: nothing to look at.
    assert find_page(nothing, limit=50, window=5).searched_to is None
    rare = Filter(pbx, ListedState.DELIVERED, extension="9" * 64, hook="nobody")
    assert find_page(rare, limit=50, window=5).searched_to is None
    scarce = Filter(pbx, ListedState.DELIVERED, hook="nobody")
    page = find_page(scarce, limit=50, window=5)
    own = [one for one in log if one.pbx_id == pbx.id]
    assert (page.found, page.before) == ([], own[4].id)
    assert page.searched_to == id_created_at(own[4].id)


def test_calls_with_many_events(log: list[Delivery], pbx: Pbx) -> None:
    """If a PBX uses one call ID for very many events, the same deliveries are found."""
    for wanted in (Filter(pbx, call_id="c3"), Filter(call_id="c4", extension="2")):
        expected = [one.id for one in log if matches(wanted)(one)]
        assert len(expected) > 2
        for max_call_events in (2, 100):
            assert read(wanted, limit=2, max_call_events=max_call_events) == expected


def test_many_pbxs(log: list[Delivery]) -> None:
    """With more PBXs than `max_pbxs` the same deliveries are found."""
    wanted = Filter(state=ListedState.FAILED)
    expected = [one.id for one in log if matches(wanted)(one)]
    assert read(wanted, limit=4, max_pbxs=3) == expected


def test_without_any_pbx(app: object) -> None:
    """An empty log has no pages."""
    assert read(Filter(state=ListedState.FAILED), limit=4) == []
    assert read(Filter(), limit=4) == []
    with pytest.raises(NotFoundError):
        find_page(Filter(), limit=4, before="x")


def test_phases_agree(log: list[Delivery]) -> None:
    """Each delivery is found under the state that it is shown in, and under no other."""
    begin_write()
    # Of some, the lease is over.
    over = update(Delivery).where(Delivery.extension == "1")
    db.session.execute(over.values(due_at=utc_now() - timedelta(minutes=1)))
    db.session.commit()
    ids = {state: set(read(Filter(state=state), limit=100)) for state in ListedState}
    for one in db.session.scalars(select(Delivery)):
        under = {state for state in ListedState if one.id in ids[state]} - {ListedState.PENDING}
        assert under == {phase_of(one)}
