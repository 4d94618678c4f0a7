"""Accepting events: stored with all their deliveries, or not at all."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from callevents.db.models import CallEvent, Delivery, Pbx
from callevents.db.session import begin_write
from callevents.enums import CallFlow, CallStatus, DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks, queries
from callevents.ingest.example import example_report
from callevents.pbxs import suggestions
from tests.conftest import Configure
from tests.ingest.accepting import AT, DIAL_IN, DIAL_OUT, HANGUP, NOW, accept_now, report
from tests.support.statement_count import counting


def test_event_is_stored_enriched(pbx: Pbx, configure: Configure) -> None:
    """Reported values are stored, missing ones derived, and the time is the PBX's."""
    configure.extension("101")
    configure.extension("102")
    [accepted] = accept_now(
        pbx, report(DIAL_OUT, peer="102", call_id="c1", leg_id="l1", caller_name="Ana", at=AT)
    )
    event = db.session.get(CallEvent, accepted.id)
    assert event is not None
    assert (event.pbx_id, event.event_type, event.extension) == (pbx.id, DIAL_OUT, "101")
    assert (event.call_id, event.leg_id, event.peer, event.caller_name) == (
        *("c1", "l1", "102", "Ana"),
    )
    assert (event.caller_number, event.caller_extension) == ("101", "101")
    assert (event.called_number, event.called_extension) == ("102", "102")
    assert (event.flow, event.status) == (CallFlow.OUT, CallStatus.CALLING)
    assert event.happened_at == AT
    assert event.received_at > AT


def test_event_without_a_time(pbx: Pbx) -> None:
    """Without a reported time, the event has the time of the report."""
    with time_machine.travel(NOW, tick=False):
        [accepted] = accept_now(pbx, report())
    event = db.session.get(CallEvent, accepted.id)
    assert event is not None
    assert event.happened_at == event.received_at == NOW


def test_each_matching_hook_gets_a_delivery(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """The hooks of the extension and of all extensions apply, if event and PBX match."""
    configure.extension("101")
    configure.extension("102")
    wanted = [
        configure.hook("101", DIAL_IN, "http://a/1"),
        configure.hook("101", DIAL_IN, "http://a/2"),
        configure.hook("*", DIAL_IN, "http://a/3"),
    ]
    configure.hook("101", DIAL_OUT, "http://no/1")
    configure.hook("102", DIAL_IN, "http://no/2")
    configure.hook("101", DIAL_IN, "http://no/3", active=False)
    Configure(other_pbx).hook("*", DIAL_IN, "http://no/4")
    [accepted] = accept_now(pbx, report())
    assert accepted.deliveries == 3
    deliveries = db.session.scalars(select(Delivery).order_by(Delivery.id)).all()
    assert [one.url for one in deliveries] == [hook.url for hook in wanted]
    assert [one.hook_event_id for one in deliveries] == [hook.event_id for hook in wanted]
    for one in deliveries:
        assert (one.call_event_id, one.pbx_id) == (accepted.id, pbx.id)
        assert (one.state, one.attempts, one.fence) == (DeliveryState.PENDING, 0, 0)
        assert one.due_at == one.created_at


def test_deliveries_are_counted_for_each_event(pbx: Pbx, configure: Configure) -> None:
    """Each event of a batch has its own deliveries, in the order of the batch."""
    configure.extension("101")
    configure.hook("101", DIAL_IN, "http://a/")
    configure.hook("*", HANGUP, "http://b/")
    batch = [
        report(DIAL_IN, call_id="c1"),
        report(DIAL_OUT, call_id="c1"),
        report(HANGUP, call_id="c1", extension="999"),
        report(DIAL_IN, call_id="c2"),
        report(DIAL_IN, call_id="c2", extension="999"),
    ]
    accepted = accept_now(pbx, *batch)
    assert [one.deliveries for one in accepted] == [1, 0, 1, 1, 0]
    ordered = db.session.scalars(select(Delivery.call_event_id).order_by(Delivery.id)).all()
    assert ordered == [accepted[0].id, accepted[2].id, accepted[3].id]


def test_disabled_hooks_get_nothing(pbx: Pbx, configure: Configure) -> None:
    """A disabled hook gets no deliveries; an enabled one does again."""
    hook = configure.hook("*", DIAL_IN, "http://a/")
    for active, expected in ((True, 1), (False, 0), (True, 1)):
        begin_write()
        hooks.set_active(queries.get_hook(hook.event_id), active)
        db.session.commit()
        assert [one.deliveries for one in accept_now(pbx, report())] == [expected]


def test_unknown_extension_is_suggested(pbx: Pbx, configure: Configure) -> None:
    """An unknown extension is not an error: hooks of all apply, and it is suggested."""
    configure.extension("101")
    configure.hook("*", DIAL_IN, "http://a/")
    with time_machine.travel(NOW, tick=False):
        accepted = accept_now(pbx, report(extension="999"), report(extension="998"), report())
    assert [one.deliveries for one in accepted] == [1, 1, 1]
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        accept_now(pbx, report(extension="998"))
    seen = suggestions.list_suggestions(pbx)
    assert [(one.number, one.last_seen_at) for one in seen] == [
        ("998", NOW + timedelta(hours=1)),
        ("999", NOW),
    ]


def test_hangup_is_enriched_from_stored_events(pbx: Pbx) -> None:
    """A hangup is enriched from earlier events of its call, also within one batch."""
    accept_now(pbx, report(DIAL_IN, call_id="c1", peer="0721"))
    accept_now(pbx, report(EventType.ANSWER_IN, call_id="c1"))
    hangups = accept_now(
        pbx,
        report(HANGUP, call_id="c1", cause=16),
        report(DIAL_OUT, call_id="c2", peer="0722"),
        report(HANGUP, call_id="c2", cause=17),
    )
    first, last = (db.session.get(CallEvent, hangups[place].id) for place in (0, 2))
    assert first is not None
    assert last is not None
    assert (first.status, first.peer, first.flow) == (CallStatus.ANSWER, "0721", CallFlow.IN)
    assert (last.status, last.peer, last.flow) == (CallStatus.BUSY, "0722", CallFlow.OUT)


def test_calls_of_other_pbxs_do_not_count(pbx: Pbx, other_pbx: Pbx) -> None:
    """A call of another PBX with the same ID does not enrich a hangup."""
    accept_now(other_pbx, report(EventType.ANSWER_IN, call_id="c1", peer="0721"))
    [accepted] = accept_now(pbx, report(HANGUP, call_id="c1", cause=17))
    event = db.session.get(CallEvent, accepted.id)
    assert event is not None
    assert (event.status, event.peer) == (CallStatus.BUSY, "")


def test_number_of_statements_is_constant(pbx: Pbx, configure: Configure) -> None:
    """A batch of 100 events with deliveries takes as many statements as a batch of two."""
    configure.extension("101")
    configure.hook("*", DIAL_IN, "http://a/")
    sizes = []
    for events in (2, 100):
        statements: list[str] = []
        with counting(statements):
            batch = [report(leg_id=f"{events}-{one}", at=AT) for one in range(events)]
            assert sum(one.deliveries for one in accept_now(pbx, *batch)) == events
        sizes.append(len(statements))
    assert sizes[0] == sizes[1]
    assert sizes[0] <= 8


@pytest.mark.parametrize("event", EventType)
def test_example_is_a_complete_report(pbx: Pbx, event: EventType) -> None:
    """The example of each event is accepted, and is a new event each time."""
    first, second = example_report(event, "101"), example_report(event, "101")
    assert first.event_type is event
    assert (first.flow is None, first.status is None) == (False, False)
    assert "+40 721 000 001" in {first.caller_number, first.called_number}
    assert [one.is_duplicate for one in accept_now(pbx, first, second)] == [False, False]
