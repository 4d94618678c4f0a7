"""Accepting events: stored once with all their deliveries, or not at all."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import DBAPIError

from callevents import directory, hooks
from callevents.enums import CallFlow, CallStatus, DeliveryState, EventType
from callevents.extensions import begin_write, db, write_transaction
from callevents.ingest import Accepted, accept, example_report
from callevents.models import CallEvent, Delivery, Hook, Pbx, SeenExtension
from callevents.reports import Report
from tests.conftest import Configure
from tests.core.counting import counting
from tests.core.faults import before_statement, refused_inserts
from tests.waiting import wait_until

DIAL_IN, DIAL_OUT, HANGUP = EventType.DIAL_IN, EventType.DIAL_OUT, EventType.HANGUP
NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
AT = datetime(2026, 3, 1, 9, 59, 58, 250_000, tzinfo=UTC)


def report(event: EventType = DIAL_IN, **values: object) -> Report:
    """Return a report of an event at 101."""
    return Report(**{"event_type": event, "extension": "101", **values})  # type: ignore[arg-type]


def take(pbx: Pbx, *reports: Report) -> list[Accepted]:
    """Accept the reports in a transaction of their own."""
    begin_write()
    accepted = accept(pbx, reports)
    db.session.commit()
    return accepted


def count(model: type[Any]) -> int:
    """Return how many rows there are."""
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_event_is_stored_completed(pbx: Pbx, configure: Configure) -> None:
    """All that was said is kept, all that follows is filled in, the time is the PBX's."""
    configure.extension("101")
    configure.extension("102")
    [accepted] = take(
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


def test_event_without_a_time_happened_when_it_came(pbx: Pbx) -> None:
    """Where the PBX gives no time, the moment of the report is the event's."""
    with time_machine.travel(NOW, tick=False):
        [accepted] = take(pbx, report())
    event = db.session.get(CallEvent, accepted.id)
    assert event is not None
    assert event.happened_at == event.received_at == NOW


def test_each_matching_hook_gets_a_delivery(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """The extension's hooks and those of all extensions apply, if event and PBX are theirs."""
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
    [accepted] = take(pbx, report())
    assert accepted.deliveries == 3
    deliveries = db.session.scalars(select(Delivery).order_by(Delivery.id)).all()
    assert [one.url for one in deliveries] == [hook.url for hook in wanted]
    assert [one.hook_event_id for one in deliveries] == [hook.event_id for hook in wanted]
    for one in deliveries:
        assert (one.call_event_id, one.pbx_id) == (accepted.id, pbx.id)
        assert (one.state, one.attempts, one.fence) == (DeliveryState.PENDING, 0, 0)
        assert one.due_at == one.created_at


def test_deliveries_are_counted_for_each_event(pbx: Pbx, configure: Configure) -> None:
    """In a batch each event has its own deliveries, in the order of the batch."""
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
    accepted = take(pbx, *batch)
    assert [one.deliveries for one in accepted] == [1, 0, 1, 1, 0]
    ordered = db.session.scalars(select(Delivery.call_event_id).order_by(Delivery.id)).all()
    assert ordered == [accepted[0].id, accepted[2].id, accepted[3].id]


def test_disabled_hooks_get_nothing(pbx: Pbx, configure: Configure) -> None:
    """After a hook is disabled its events make no delivery; enabled again they do."""
    hook = configure.hook("*", DIAL_IN, "http://a/")
    for active, expected in ((True, 1), (False, 0), (True, 1)):
        begin_write()
        hooks.set_active(hooks.get_hook(hook.event_id), active)
        db.session.commit()
        assert [one.deliveries for one in take(pbx, report())] == [expected]


def test_unknown_extension_is_recorded_and_proposed(pbx: Pbx, configure: Configure) -> None:
    """An extension that nobody added is no error: hooks of all apply, and it is proposed."""
    configure.extension("101")
    configure.hook("*", DIAL_IN, "http://a/")
    with time_machine.travel(NOW, tick=False):
        accepted = take(pbx, report(extension="999"), report(extension="998"), report())
    assert [one.deliveries for one in accepted] == [1, 1, 1]
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        take(pbx, report(extension="998"))
    seen = directory.list_proposals(pbx)
    assert [(one.number, one.last_seen_at) for one in seen] == [
        ("998", NOW + timedelta(hours=1)),
        ("999", NOW),
    ]


def test_repeated_key_of_the_sender(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """The sender's own key makes a report the same, whatever else it says and however late."""
    configure.hook("*", DIAL_IN, "http://a/")
    [first] = take(pbx, report(key="k1", call_id="c1"))
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30)):
        [again] = take(pbx, report(HANGUP, key="k1", extension="102"))
    assert again == Accepted(first.id, 0, repeated=True)
    assert (count(CallEvent), count(Delivery)) == (1, 1)
    [elsewhere] = take(other_pbx, report(key="k1"))
    assert not elsewhere.repeated, "another PBX's keys are its own"


def test_repeated_leg_and_time(pbx: Pbx) -> None:
    """With a time, type, extension, leg and time are what makes two reports one, for ever."""
    [first] = take(pbx, report(leg_id="l1", at=AT))
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30)):
        [again] = take(pbx, report(leg_id="l1", at=AT, peer="1", call_id="c2"))
    assert again == Accepted(first.id, 0, repeated=True)
    for other in (
        report(leg_id="l2", at=AT),
        report(leg_id="l1", at=AT + timedelta(milliseconds=1)),
        report(leg_id="l1", at=AT, extension="102"),
        report(DIAL_OUT, leg_id="l1", at=AT),
    ):
        assert not take(pbx, other)[0].repeated


@pytest.mark.parametrize(
    ("identity", "seconds"), [({"leg_id": "l1"}, 600), ({"call_id": "c1"}, 10)]
)
@pytest.mark.parametrize("offset", [0, 3, 9])
def test_repeated_without_a_time(
    pbx: Pbx, identity: dict[str, str], seconds: int, offset: int
) -> None:
    """Without a time, the same again is the same event for a while, wherever the clock stands."""
    beginning = NOW + timedelta(seconds=offset)
    with time_machine.travel(beginning, tick=False) as clock:
        [first] = take(pbx, report(**identity))
        for elapsed in (1, seconds - 1, seconds):
            clock.move_to(beginning + timedelta(seconds=elapsed))
            assert take(pbx, report(**identity)) == [Accepted(first.id, 0, repeated=True)]
        clock.move_to(beginning + timedelta(seconds=2 * seconds))
        [second] = take(pbx, report(**identity))
        assert not second.repeated
        clock.move_to(beginning + timedelta(seconds=2 * seconds + 1))
        assert take(pbx, report(**identity)) == [Accepted(second.id, 0, repeated=True)]


def test_window_is_counted_from_the_first(pbx: Pbx) -> None:
    """A report just after the window of the first one is a new event."""
    with time_machine.travel(NOW + timedelta(seconds=5), tick=False) as clock:
        [first] = take(pbx, report(call_id="c1"))
        clock.move_to(NOW + timedelta(seconds=15, milliseconds=1))
        [second] = take(pbx, report(call_id="c1"))
    assert not second.repeated
    assert second.id != first.id


def test_legs_are_told_apart_from_calls(pbx: Pbx) -> None:
    """Two legs of one call that do the same are two events."""
    accepted = take(pbx, report(call_id="c1", leg_id="l1"), report(call_id="c1", leg_id="l2"))
    assert [one.repeated for one in accepted] == [False, False]


def test_without_any_identity_nothing_is_repeated(pbx: Pbx) -> None:
    """Reports that tell neither call nor leg are all events of their own."""
    assert {one.repeated for one in take(pbx, report(), report())} == {False}
    assert not take(pbx, report())[0].repeated
    assert count(CallEvent) == 3


def test_no_two_events_share_a_key_by_their_punctuation(pbx: Pbx) -> None:
    """What separates the facts within a key cannot be imitated by the facts."""
    accepted = take(
        pbx,
        report(extension="1|2", leg_id="3", at=AT),
        report(extension="1", leg_id="2|3", at=AT),
    )
    assert [one.repeated for one in accepted] == [False, False]


def test_repeated_within_one_batch(pbx: Pbx, configure: Configure) -> None:
    """The second of two equal reports in a batch is the first one again."""
    configure.hook("*", DIAL_IN, "http://a/")
    accepted = take(pbx, report(key="k"), report(key="other"), report(key="k"))
    assert [one.deliveries for one in accepted] == [1, 1, 0]
    assert accepted[2] == Accepted(accepted[0].id, 0, repeated=True)
    assert count(CallEvent) == 2


def test_batch_of_old_and_new(pbx: Pbx) -> None:
    """A batch that repeats some events stores the others."""
    [old] = take(pbx, report(key="a"))
    accepted = take(pbx, report(key="b"), report(key="a"), report(key="c"))
    assert [one.repeated for one in accepted] == [False, True, False]
    assert accepted[1].id == old.id
    assert take(pbx) == []


def detach(pbx: Pbx) -> None:
    """Let other threads use the PBX, and leave the session without a transaction."""
    db.session.refresh(pbx)
    db.session.expunge(pbx)
    db.session.rollback()


def in_threads(app: Flask, *works: Callable[[], None]) -> None:
    """Run each in a thread with a session of its own."""

    def run(work: Callable[[], None]) -> None:
        with app.app_context():
            work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_same_event_at_the_same_time(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """Reported by many at once, an event is stored once, and all are told its id."""
    configure.hook("*", DIAL_IN, "http://a/")
    detach(pbx)
    barrier, found = threading.Barrier(4), []

    def work() -> None:
        barrier.wait()
        found.extend(take(pbx, report(key="k1"), report(key="k2")))

    in_threads(app, *[work] * 4)
    assert len(found) == 8
    assert len({one.id for one in found}) == 2
    assert sum(not one.repeated for one in found) == 2
    assert sum(one.deliveries for one in found) == 2
    assert (count(CallEvent), count(Delivery)) == (2, 2)


def test_loser_of_a_race_learns_the_first_id(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """An event that another one stores between looking and storing is found all the same."""
    if db.engine.dialect.name == "sqlite":
        # There, writers take turns from the beginning: the second looks when the first is done.
        assert_writers_take_turns()
        return
    configure.hook("*", DIAL_IN, "http://a/")
    detach(pbx)
    first: list[Accepted] = []

    def be_faster() -> None:
        in_threads(app, lambda: first.extend(take(pbx, report(key="k1"))))

    with before_statement(db.engine, "INSERT INTO call_event", be_faster):
        accepted = take(pbx, report(key="k0"), report(key="k1"))
    assert accepted[0].deliveries == 1
    assert accepted[1] == Accepted(first[0].id, 0, repeated=True)
    assert (count(CallEvent), count(Delivery)) == (2, 2)


def assert_writers_take_turns() -> None:
    """Check that a transaction that will write keeps others from writing from its beginning."""
    begin_write()
    with db.engine.connect() as other:
        other.exec_driver_sql("ROLLBACK")
        other.exec_driver_sql("PRAGMA busy_timeout = 1")
        with pytest.raises(DBAPIError, match="locked"):
            other.exec_driver_sql("BEGIN IMMEDIATE")
        other.exec_driver_sql("BEGIN")
        other.exec_driver_sql("PRAGMA busy_timeout = 10000")
    db.session.rollback()


@pytest.mark.parametrize("table", ["delivery", "seen_extension", "call_event"])
def test_a_failure_leaves_nothing(pbx: Pbx, configure: Configure, table: str) -> None:
    """If the database refuses any part, no part is stored, and the same can be reported again."""
    configure.hook("*", DIAL_IN, "http://a/")
    batch = [report(key="k1"), report(key="k2", extension="102")]
    with refused_inserts(db.engine, table):
        begin_write()
        with pytest.raises(DBAPIError, match="refused by the test"):
            accept(pbx, batch)
        db.session.rollback()
    assert (count(CallEvent), count(Delivery), count(SeenExtension)) == (0, 0, 0)
    assert [one.repeated for one in take(pbx, *batch)] == [False, False]


def test_hook_removed_at_the_same_time(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """A hook that is removed while an event is being stored cannot make the event fail."""
    hook = configure.hook("*", DIAL_IN, "http://a/")
    hook_id, database = hook.id, db.engine
    removed = threading.Event()

    def remove() -> None:
        with write_transaction(database) as connection:
            connection.execute(delete(Hook).where(Hook.id == hook_id))
        removed.set()

    thread = threading.Thread(target=remove)

    def remove_meanwhile() -> None:
        thread.start()
        if database.dialect.name == "postgresql":
            wait_until(lambda: removed.is_set() or waits_for_lock(), "the removal, done or waiting")

    def waits_for_lock() -> bool:
        with database.connect() as connection:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(connection.scalar(text(waiting)))

    with before_statement(database, "INSERT INTO delivery", remove_meanwhile):
        [accepted] = take(pbx, report())
    thread.join()
    assert accepted.deliveries == 1
    delivery = db.session.scalars(select(Delivery)).one()
    assert (delivery.call_event_id, delivery.hook) == (accepted.id, None)


def test_hangup_completes_itself_from_stored_events(pbx: Pbx) -> None:
    """What earlier requests told of a call is known when it hangs up, also within one batch."""
    take(pbx, report(DIAL_IN, call_id="c1", peer="0721"))
    take(pbx, report(EventType.ANSWER_IN, call_id="c1"))
    hangups = take(
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


def test_other_pbxs_calls_are_others(pbx: Pbx, other_pbx: Pbx) -> None:
    """A call of another PBX that has the same id completes nothing."""
    take(other_pbx, report(EventType.ANSWER_IN, call_id="c1", peer="0721"))
    [accepted] = take(pbx, report(HANGUP, call_id="c1", cause=17))
    event = db.session.get(CallEvent, accepted.id)
    assert event is not None
    assert (event.status, event.peer) == (CallStatus.BUSY, "")


def test_number_of_queries_does_not_grow(pbx: Pbx, configure: Configure) -> None:
    """A batch of a hundred events with their deliveries takes as many statements as one of two."""
    configure.extension("101")
    configure.hook("*", DIAL_IN, "http://a/")
    sizes = []
    for events in (2, 100):
        statements: list[str] = []
        with counting(statements):
            batch = [report(leg_id=f"{events}-{one}", at=AT) for one in range(events)]
            assert sum(one.deliveries for one in take(pbx, *batch)) == events
        sizes.append(len(statements))
    assert sizes[0] == sizes[1]
    assert sizes[0] <= 8


@pytest.mark.parametrize("event", EventType)
def test_example_is_a_complete_report(pbx: Pbx, event: EventType) -> None:
    """The example of each event can be accepted, and is a new event each time."""
    first, second = example_report(event, "101"), example_report(event, "101")
    assert first.event_type is event
    assert (first.flow is None, first.status is None) == (False, False)
    assert "+40 721 000 001" in {first.caller_number, first.called_number}
    assert [one.repeated for one in take(pbx, first, second)] == [False, False]
