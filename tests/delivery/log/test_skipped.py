"""Skipped deliveries in the log: found by their state, and sent again only where that is chosen."""

from collections import Counter

import pytest
from sqlalchemy import select

from callevents.conditions import Conditions
from callevents.db.models import AuditEntry, Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log.bulk import Progress, apply_to_all, apply_to_ids, count_matching
from callevents.delivery.log.filters import Filter, phase_of
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.resend import SkipReason, cancel, resend
from callevents.enums import DeliveryState, EventType, ListedState
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import HookOptions
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.delivery.conftest import MakeEngine
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

SKIPPED, FAILED, PENDING = DeliveryState.SKIPPED, DeliveryState.FAILED, DeliveryState.PENDING
OF_SKIPPED = Filter(state=ListedState.SKIPPED)


@pytest.fixture
def hook(pbx: Pbx, receiver: Receiver) -> Hook:
    """A hook for internal calls only."""
    begin_write()
    options = HookOptions(conditions=Conditions(party="internal"))
    data = hooks.HookData(receiver.url, options=options)
    hook = hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
    db.session.commit()
    return hook


@pytest.fixture
def skipped(pbx: Pbx, hook: Hook) -> list[str]:
    """Three skipped deliveries of one call, oldest first."""
    begin_write()
    event = Report(event_type=EventType.DIAL_IN, extension="101", call_id="c1", peer="+40721000001")
    accept(pbx, [event._replace(leg_id=str(number)) for number in range(3)])
    db.session.commit()
    ids = db.session.scalars(select(Delivery.id).order_by(Delivery.id)).all()
    db.session.rollback()
    return list(ids)


def states() -> Counter[DeliveryState]:
    """Return how many deliveries there are of each state."""
    db.session.rollback()
    return Counter(db.session.scalars(select(Delivery.state)))


def send_all_again(wanted: Filter) -> tuple[int, Counter[SkipReason]]:
    """Send all that match again; return the counts."""
    done = Progress()
    for done in apply_to_all(resend, wanted):  # noqa: B007  # the last one counts all
        db.session.commit()
    return done.changed, done.skipped


def test_found_by_its_state(pbx: Pbx, skipped: list[str]) -> None:
    """The state is a filter, alone and with a PBX; no other state finds it."""
    for wanted in (OF_SKIPPED, Filter(pbx, ListedState.SKIPPED, extension="101"), Filter(pbx)):
        assert [one.id for one in find_page(wanted, limit=9).found] == skipped[::-1]
    for state in set(ListedState) - {ListedState.SKIPPED}:
        assert not find_page(Filter(pbx, state), limit=9).found
    assert phase_of(db.session.get_one(Delivery, skipped[0])) is ListedState.SKIPPED


def test_one_is_sent_again(skipped: list[str], receiver: Receiver, make_engine: MakeEngine) -> None:
    """A single one is sent as any other, and the history has it."""
    begin_write()
    assert apply_to_ids(resend, [skipped[1]]).changed == 1
    db.session.commit()
    assert make_engine().drain() == 1
    delivered = wait_for_state(skipped[1], DeliveryState.DELIVERED)
    assert (delivered.error, delivered.attempts) == ("", 1)
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == [skipped[1]]
    assert states() == {DeliveryState.DELIVERED: 1, SKIPPED: 2}
    [entry] = db.session.scalars(select(AuditEntry).where(AuditEntry.object_id == skipped[1]))
    assert entry.action == "delivery.sent_again"


def test_many_are_sent_again_where_that_is_chosen(pbx: Pbx, skipped: list[str]) -> None:
    """Without the filter for their state they are left out, counted, and the count says so."""
    begin_write()
    db.session.get_one(Delivery, skipped[0]).state = FAILED
    db.session.commit()
    summary = count_matching(Filter(pbx))
    assert (summary.total, summary.skipped) == (3, {SkipReason.CONDITIONS: 2})
    assert send_all_again(Filter(pbx)) == (1, Counter({SkipReason.CONDITIONS: 2}))
    assert states() == {PENDING: 1, SKIPPED: 2}
    assert count_matching(OF_SKIPPED).skipped == Counter()
    assert send_all_again(OF_SKIPPED) == (2, Counter())
    assert states() == {PENDING: 3}


def test_it_cannot_be_cancelled(skipped: list[str]) -> None:
    """It is finished, as others that were sent or given up."""
    begin_write()
    done = cancel(skipped, utc_now())
    db.session.commit()
    assert (done.changed, done.skipped) == (0, Counter({SkipReason.FINISHED: 3}))
    assert states() == {SKIPPED: 3}


def test_a_hook_does_not_fail(pbx: Pbx, hook: Hook, skipped: list[str]) -> None:
    """Skipped deliveries say nothing about the receiver."""
    db.session.refresh(hook)
    assert (hook.failing_since, hook.suspended_at) == (None, None)
