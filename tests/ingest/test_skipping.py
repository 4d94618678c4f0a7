"""Events that do not meet the conditions of a hook: stored, skipped, never sent."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from redis import Redis
from sqlalchemy import select, update

from callevents.conditions import Conditions, Hours
from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, HookScope
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import HookOptions
from callevents.ingest.report import Report
from callevents.ingest.skipping import skip_unmet
from tests.conftest import Configure
from tests.ingest.accepting import DIAL_IN, HANGUP, NOW, accept_now, report
from tests.ingest.test_hand_over import Web
from tests.support.statement_count import counting

PENDING, SKIPPED = DeliveryState.PENDING, DeliveryState.SKIPPED
OUTSIDE = "+40721000001"


def add_hook(pbx: Pbx, conditions: Conditions, event_type: EventType = DIAL_IN) -> Hook:
    """Add a hook for all extensions."""
    begin_write()
    options = HookOptions(conditions=conditions)
    hook = hooks.create_hook(pbx, None, event_type, hooks.HookData("http://a/", options=options))
    db.session.commit()
    return hook


def deliveries() -> list[Delivery]:
    """Return all deliveries, oldest first."""
    db.session.rollback()
    return list(db.session.scalars(select(Delivery).order_by(Delivery.id)))


def outcomes(pbx: Pbx, *reports: Report) -> list[str]:
    """Return for each new delivery its state, or why it is skipped."""
    before = len(deliveries())
    accept_now(pbx, *reports)
    return [one.error or one.state for one in deliveries()[before:]]


def test_a_skipped_delivery(pbx: Pbx) -> None:
    """It has its event and hook, says why, is finished, and waits for nothing."""
    hook = add_hook(pbx, Conditions(party="internal"))
    with time_machine.travel(NOW, tick=False):
        [accepted] = accept_now(pbx, report(peer=OUTSIDE, call_id="c1"))
    assert accepted.deliveries == 0
    [one] = deliveries()
    assert (one.call_event_id, one.hook_id, one.call_id) == (accepted.id, hook.id, "c1")
    assert (one.state, one.error) == (SKIPPED, "Skipped: the call was external.")
    assert (one.finished_at, one.ordering_key, one.claimed_at) == (NOW, None, None)
    assert (one.attempts, one.fence) == (0, 0)


def test_only_those_hooks_are_skipped(pbx: Pbx, configure: Configure) -> None:
    """Each hook of the event has conditions of its own; what is sent is counted."""
    configure.hook("*", DIAL_IN, "http://b/")
    add_hook(pbx, Conditions(numbers=("+40*",)))
    add_hook(pbx, Conditions(numbers=("+49*",)))
    [accepted] = accept_now(pbx, report(peer=OUTSIDE))
    assert accepted.deliveries == 2
    assert [one.state for one in deliveries()] == [PENDING, PENDING, SKIPPED]


def test_calls_of_an_office(pbx: Pbx, configure: Configure) -> None:
    """Missed external calls in office hours, from the history of each call."""
    configure.extension("101")
    configure.extension("102")
    office = Hours((1, 2, 3, 4, 5), "09:00", "17:00", "Europe/Bucharest")
    conditions = Conditions(("in",), "external", answered=False, hours=office)
    add_hook(pbx, conditions, HANGUP)
    monday = NOW + timedelta(days=1)

    def call(peer: str, cause: int, *, answer: bool = False, at: object = monday) -> list[str]:
        events = [report(DIAL_IN, peer=peer, call_id=str(len(deliveries())), at=at)]
        if answer:
            events.append(events[0]._replace(event_type=EventType.ANSWER_IN))
        hangup = events[0]._replace(event_type=HANGUP, peer="", cause=cause)
        return outcomes(pbx, *events, hangup)

    assert call(OUTSIDE, 19) == ["pending"]
    assert call(OUTSIDE, 16, answer=True) == ["Skipped: the call was answered."]
    assert call("102", 19) == ["Skipped: the call was internal."]
    assert call(OUTSIDE, 19, at=NOW) == [
        "Skipped: 12:00 on Sunday in Europe/Bucharest is outside Monday to Friday, 09:00 to 17:00."
    ]


def test_number_plan(pbx: Pbx) -> None:
    """With a country, national numbers are compared in international format; extensions are not."""
    add_hook(pbx, Conditions(numbers=("+40*",)))
    unmet = "Skipped: the other party's number is none of +40*."
    peers = ("0721000001", "0040721000001", "+49301234567", "107")
    numbers = [report(peer=peer) for peer in peers]
    assert outcomes(pbx, *numbers) == [unmet] * 4
    begin_write()
    pbx.country, pbx.internal_lengths = "RO", "3"
    db.session.commit()
    again = [report(peer=peer) for peer in peers]
    assert outcomes(pbx, *again) == ["pending", "pending", unmet, unmet]


def test_end_of_a_call(pbx: Pbx, configure: Configure) -> None:
    """Of a ring group that somebody answered, no missed call is reported; of another, one."""
    for number in ("101", "102"):
        configure.extension(number)
    begin_write()
    missed = Conditions(answered=False, party="external")
    options = HookOptions(conditions=missed, scope=HookScope.CALL)
    hooks.create_hook(pbx, None, HANGUP, hooks.HookData("http://a/", options=options))
    db.session.commit()

    def ring(call_id: str, *, answer: bool) -> list[str]:
        both = [
            report(
                DIAL_IN, extension=number, call_id=call_id, peer=OUTSIDE, leg_id=call_id + number
            )
            for number in ("101", "102")
        ]
        answers = [both[0]._replace(event_type=EventType.ANSWER_IN)] if answer else []
        hangups = [one._replace(event_type=HANGUP, cause=26) for one in reversed(both)]
        return outcomes(pbx, *both, *answers, *hangups)

    assert ring("c1", answer=True) == ["Skipped: the call was answered."]
    assert ring("c2", answer=False) == ["pending"]


def test_once_per_call(pbx: Pbx) -> None:
    """The conditions of such a hook see the call as a whole."""
    event = {**report(HANGUP, cause=26)._asdict(), "happened_at": NOW, "flow": None}
    delivery = {"created_at": NOW, "state": PENDING, "ordering_key": 7}
    missed = Conditions(answered=False).write()
    answered = delivery | {"call_values": '{"Outcome": "answered", "TalkSeconds": "5"}'}
    skipped = skip_unmet(answered, missed, event)
    assert (skipped["state"], skipped["error"]) == (SKIPPED, "Skipped: the call was answered.")
    unanswered = delivery | {"call_values": '{"Outcome": "abandoned"}'}
    assert skip_unmet(unanswered, missed, event) == unanswered


def test_of_a_suspended_hook(pbx: Pbx) -> None:
    """An event that would not have been sent anyway is skipped, and not failed."""
    add_hook(pbx, Conditions(party="internal"))
    begin_write()
    db.session.execute(update(Hook).values(suspended_at=utc_now()))
    db.session.commit()
    assert outcomes(pbx, report(peer=OUTSIDE)) == ["Skipped: the call was external."]


def test_it_is_not_in_the_order_of_its_call(pbx: Pbx) -> None:
    """A later delivery of the call does not wait for a skipped one."""
    add_hook(pbx, Conditions(party="internal"))
    add_hook(pbx, Conditions(), HANGUP)
    accept_now(pbx, report(DIAL_IN, call_id="c1", peer=OUTSIDE), report(HANGUP, call_id="c1"))
    assert [(one.state, one.deferred) for one in deliveries()] == [
        (SKIPPED, False),
        (PENDING, False),
    ]


def test_workers_are_not_woken(app: Flask, pbx: Pbx, redis: Redis, settings: Settings) -> None:
    """Nothing is handed over for skipped deliveries, and nobody is woken."""
    add_hook(pbx, Conditions(party="internal"))
    web = Web(app, pbx, redis, settings)
    web.store(report(peer=OUTSIDE, call_id="c1"))
    assert (web.read_list(), redis.keys("rq:queue:*")) == ({}, [])
    assert [one.state for one in deliveries()] == [SKIPPED]


def test_no_further_statement(pbx: Pbx) -> None:
    """Conditions cost no statement."""
    add_hook(pbx, Conditions())
    plain: list[str] = []
    with counting(plain):
        accept_now(pbx, report(peer=OUTSIDE))
    add_hook(pbx, Conditions(party="internal"))
    conditional: list[str] = []
    with counting(conditional):
        accept_now(pbx, report(peer=OUTSIDE))
    assert len(plain) == len(conditional)


@pytest.mark.parametrize("queue", ["sales", "", "'; DROP TABLE hook; --", "\u202e<b>{CallID}"])
def test_hostile_queues(pbx: Pbx, queue: str) -> None:
    """Whatever a PBX reports as queue is compared, and named as it is."""
    add_hook(pbx, Conditions(queues=("sales",)))
    expected = {
        "sales": "pending",
        "": "Skipped: no queue of the call is known.",
    }.get(queue, f"Skipped: the call was in the queue {queue}, not in sales.")
    assert outcomes(pbx, report(queue=queue)) == [expected]
