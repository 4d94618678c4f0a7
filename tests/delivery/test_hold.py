"""What waits for a disabled hook is held: nothing is sent or lost, and nothing waits for it."""

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from callevents.config.settings import Settings
from callevents.db.models import GIVE_UP_SECONDS, Delivery, Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.expiry import fail_expired, has_expired
from callevents.delivery.hold import count_waiting
from callevents.delivery.http.client import Response
from callevents.delivery.lease import UNLIMITED
from callevents.delivery.load_claims import load_sendable
from callevents.delivery.orphans import settle_orphans
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import DeliveryState, EventType
from callevents.errors import ConflictError, NotFoundError
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import HookOptions
from tests.conftest import Configure
from tests.delivery.blocking_receiver import BlockingReceiver
from tests.delivery.conftest import MakeEngine, ReportCall, ReportEvents, get_delivery
from tests.delivery.test_races import ROUNDS, run_together
from tests.support.claims import LEASE, claim, is_due, load
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state, wait_until

PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD
DELIVERED, FAILED = DeliveryState.DELIVERED, DeliveryState.FAILED
CANCELLED = DeliveryState.CANCELLED
DAY = timedelta(days=1)


def set_active(hook: Hook, active: bool) -> int:
    """Enable or disable the hook in a transaction of its own; return the number that counts."""
    begin_write()
    count = hooks.set_active(db.session.get_one(Hook, hook.id), active)
    db.session.commit()
    return count


def states(ids: list[str]) -> list[DeliveryState]:
    """Return the states of these deliveries."""
    return [get_delivery(one).state for one in ids]


def arrived(receiver: Receiver) -> list[str]:
    """Return the ids of what has arrived, in the order of arrival."""
    return [arrival.parameters["DeliveryID"] for arrival in receiver.arrivals]


def test_six_wait_and_go_on_in_order(
    hook: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Disabled while six wait: nothing is sent. Enabled: all arrive, in the order of the call."""
    in_order = report_call("c1", 1, 2, 3, 4, 5, 6)
    assert claim(limit=6).keys() == {in_order[0]}, "the others are deferred"
    assert set_active(hook, active=False) == 6
    engine = make_engine()
    assert engine.drain() == 0
    assert states(in_order) == [HELD] * 6
    assert not is_due(utc_now() + DAY)
    assert claim(now=utc_now() + DAY) == {}
    assert receiver.arrivals == []
    with write_transaction(db.engine) as connection:
        # The worker that has claimed the first one is gone.
        connection.execute(update(Delivery).values(claimed_at=None, due_at=utc_now()))
    assert set_active(hook, active=True) == 6
    engine.wake()
    receiver.wait_for(6)
    wait_for_state(in_order[-1], DELIVERED)
    assert arrived(receiver) == in_order


def test_disabled_hook_gets_no_new_deliveries(hook: Hook, report_events: ReportEvents) -> None:
    """Call events that come while it is disabled have no delivery, also later."""
    set_active(hook, active=False)
    assert report_events(2) == []
    assert set_active(hook, active=True) == 0
    assert len(report_events()) == 1


def test_disabling_twice_counts_the_same(hook: Hook, report_events: ReportEvents) -> None:
    """In a second tab, disabling says how many are held already; enabling lets none go on."""
    report_events(2)
    assert [set_active(hook, active=False) for _ in range(2)] == [2, 2]
    assert [set_active(hook, active=True) for _ in range(2)] == [2, 0]


def test_other_hooks_do_not_wait_for_held_ones(
    hook: Hook, configure: Configure, receiver: Receiver, report_call: ReportCall
) -> None:
    """Later events of the same call go on at once, and the held ones follow when enabled."""
    configure.hook("*", EventType.HANGUP, receiver.url + "/hangup")
    first, second = report_call("c1", 1, 2)
    [hangup] = report_call("c1", 3, event=EventType.HANGUP)
    assert claim().keys() == {first}
    assert get_delivery(hangup).deferred
    set_active(hook, active=False)
    assert claim().keys() == {hangup}
    set_active(hook, active=True)
    assert get_delivery(second).deferred is False
    assert claim(now=utc_now() + LEASE).keys() == {first}, "the first of the call again"


def test_attempt_that_runs_is_not_repeated(
    configure: Configure,
    blocking: BlockingReceiver,
    held_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
) -> None:
    """Disabled and enabled during an attempt, a delivery is not sent a second time beside it."""
    [delivery_id] = report_events(event=EventType.DIAL_OUT)
    patient = {"read_timeout_seconds": 60, "total_timeout_seconds": 60}
    engine = make_engine(poll_seconds=0.02, lease_seconds=3, **patient)
    engine.wake()
    wait_until(lambda: blocking.arrived == 1, "the attempt")
    set_active(held_hook, active=False)
    assert states([delivery_id]) == [HELD]
    ends = get_delivery(delivery_id).due_at
    wait_until(lambda: get_delivery(delivery_id).due_at > ends, "a renewal of the lease")
    set_active(held_hook, active=True)
    engine.drain()
    blocking.respond()
    wait_for_state(delivery_id, DELIVERED)
    engine.close()
    assert blocking.arrived == get_delivery(delivery_id).attempts == 1


@pytest.mark.parametrize("status", [200, 503])
def test_attempt_that_ends_while_held(hook: Hook, report_events: ReportEvents, status: int) -> None:
    """A success counts; after a failure it stays held, and its retry waits for its time."""
    [delivery_id] = report_events()
    claims = load(claim())
    set_active(hook, active=False)
    response = Response(utc_now(), 1, "" if status == 200 else "Unavailable.", status)
    with write_transaction(db.engine) as connection:
        record(connection, [Outcome(claims[0], response)], utc_now(), Settings())
    one = get_delivery(delivery_id)
    if status == 200:
        assert (one.state, one.attempts) == (DELIVERED, 1)
        return
    assert (one.state, one.is_retry, one.claimed_at) == (HELD, True, None)
    due_at = one.due_at
    assert due_at > utc_now()
    set_active(hook, active=True)
    assert claim() == {}
    assert claim(now=due_at).keys() == {delivery_id}


def test_held_ones_expire(hook: Hook, report_events: ReportEvents) -> None:
    """What is too old when its hook is enabled has failed, with the usual reason."""
    old, young = report_events(2)
    set_active(hook, active=False)
    with write_transaction(db.engine) as connection:
        assert not has_expired(connection, utc_now())
        connection.execute(
            update(Delivery).where(Delivery.id == old).values(expires_at=utc_now() - DAY)
        )
        assert has_expired(connection, utc_now())
        assert fail_expired(connection, utc_now()) == 1
    assert states([old, young]) == [FAILED, HELD]
    assert "Expired after" in get_delivery(old).error
    set_active(hook, active=True)
    assert states([old, young]) == [FAILED, PENDING]


def test_change_of_the_url_while_held(
    hook: Hook, report_events: ReportEvents, receiver: Receiver, make_engine: MakeEngine
) -> None:
    """Held deliveries follow the changes of their hook, its age too, and go on if it says so."""
    [delivery_id] = report_events()
    expires_at = get_delivery(delivery_id).expires_at
    set_active(hook, active=False)
    begin_write()
    options = HookOptions(give_up_seconds=7 * GIVE_UP_SECONDS)
    changed = hooks.HookData(url=receiver.url + "/new", options=options)
    assert hooks.update_hook(db.session.get_one(Hook, hook.id), changed) == 1
    db.session.commit()
    moved = get_delivery(delivery_id)
    assert (moved.state, moved.url) == (PENDING, receiver.url + "/new")
    assert moved.expires_at == expires_at + 6 * DAY
    make_engine().wake()
    [arrival] = receiver.wait_for(1)
    assert arrival.path == "/new"


def test_cancelled_instead(hook: Hook, report_events: ReportEvents) -> None:
    """What is held can be cancelled, as long as the hook is disabled."""
    ids = report_events(3)
    set_active(hook, active=False)
    begin_write()
    assert hooks.cancel_held(db.session.get_one(Hook, hook.id)) == 3
    db.session.commit()
    assert states(ids) == [CANCELLED] * 3
    assert get_delivery(ids[0]).finished_at is not None
    set_active(hook, active=True)
    ids = report_events(1)
    begin_write()
    with pytest.raises(ConflictError, match="has been enabled since"):
        hooks.cancel_held(db.session.get_one(Hook, hook.id))
    assert states(ids) == [PENDING]


# SQLite has one writer at a time.
@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_enabled_in_another_tab(hook: Hook, report_events: ReportEvents) -> None:
    """Whoever disables a hook that was enabled since it was read disables it all the same."""
    ids = report_events(2)
    set_active(hook, active=False)
    begin_write()
    stale = db.session.get_one(Hook, hook.id)
    assert not stale.active
    with write_transaction(db.engine) as connection:
        connection.execute(update(Hook).values(active=True))
        connection.execute(update(Delivery).values(state=PENDING))
    hooks.set_active(stale, active=False)
    db.session.commit()
    assert states(ids) == [HELD, HELD]
    assert db.session.scalars(select(Hook.active)).all() == [False]


def test_hook_removed_in_another_tab(hook: Hook) -> None:
    """Whoever enables a hook that somebody removed a moment ago is told so."""
    seen = Hook(id=hook.id)
    begin_write()
    hooks.clear_hooks([hook])
    db.session.commit()
    with pytest.raises(NotFoundError, match="The request has been removed"):
        hooks.set_active(seen, active=True)


def test_enabled_while_a_worker_decides(hook: Hook, report_events: ReportEvents) -> None:
    """A worker finds the hook disabled, and it is enabled before it can hold the delivery."""
    [delivery_id] = report_events()
    claimed = claim()
    with write_transaction(db.engine) as connection:
        connection.execute(update(Hook).values(active=False))

    assert load(claimed) == []
    set_active(hook, active=True)
    with write_transaction(db.engine) as connection:
        settle_orphans(connection, claimed, utc_now())
    one = get_delivery(delivery_id)
    assert (one.state, one.claimed_at, one.fence) == (PENDING, None, 2)
    assert claim().keys() == {delivery_id}


@pytest.mark.slow
def test_users_and_workers_at_once(app: Flask, hook: Hook, report_events: ReportEvents) -> None:
    """Two users toggle a hook while workers claim and load: nothing is held for an enabled hook."""
    database, over = db.engine, threading.Event()
    hook_id = hook.id
    report_events(6)
    db.session.rollback()

    def toggle() -> None:
        for place in range(2 * ROUNDS):
            begin_write()
            hooks.set_active(db.session.get_one(Hook, hook_id), active=place % 2 == 1)
            db.session.commit()
        over.set()

    def work() -> None:
        while not over.is_set():
            # As a worker that dies at once: nothing is ever sent.
            load_sendable(database, claim(now=utc_now() + LEASE), UNLIMITED, cipher.bound)

    run_together(app, toggle, toggle, work, work)
    db.session.rollback()
    assert db.session.get_one(Hook, hook_id).active, "the last step of both"
    stuck = select(func.count()).where(Delivery.state != PENDING)
    assert db.session.scalar(stuck) == 0
    assert count_waiting([hook_id]) == 6
    set_active(hook, active=False)
    assert db.session.scalar(select(func.count()).where(Delivery.state != HELD)) == 0
