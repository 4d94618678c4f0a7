"""Claiming: one worker at a time has a due delivery, under a lease."""

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from callevents.db.models import Delivery, Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.claim import renew_leases
from callevents.delivery.lease import UNLIMITED
from callevents.delivery.load_claims import finish_without_attempt, load_sendable
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from tests.conftest import Configure
from tests.delivery.conftest import ReportEvents, get_delivery
from tests.support.claims import LEASE, MOMENT, claim, is_due, load, look


@pytest.fixture
def hook(configure: Configure) -> Hook:
    """A hook for dial-in of all extensions."""
    return configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/x?y=1", Method.POST)


def test_longest_due_are_claimed_first_and_no_more_than_asked(
    hook: Hook, report_events: ReportEvents
) -> None:
    """A claim has at most its limit of deliveries, longest due first."""
    first, second, third = report_events(3)
    with write_transaction(db.engine) as connection:
        connection.execute(
            update(Delivery).where(Delivery.id == first).values(due_at=utc_now() + MOMENT * 2)
        )
    now = utc_now() + timedelta(seconds=1)
    assert claim(2, now) == {second: 1, third: 1}
    assert claim(2, now) == {first: 1}
    assert claim(2, now) == {}


def test_nothing_is_claimed_before_it_is_due(hook: Hook, report_events: ReportEvents) -> None:
    """A delivery is due from its time on, and not a moment earlier."""
    [delivery_id] = report_events()
    due_at = get_delivery(delivery_id).due_at
    assert not is_due(due_at - MOMENT)
    assert claim(now=due_at - MOMENT) == {}
    assert is_due(due_at)
    assert claim(now=due_at) == {delivery_id: 1}


def test_lease_protects_until_it_ends(hook: Hook, report_events: ReportEvents) -> None:
    """Claimed, a delivery is due again when the lease has ended, under a new fence."""
    [delivery_id] = report_events()
    now = utc_now()
    assert claim(now=now) == {delivery_id: 1}
    delivery = get_delivery(delivery_id)
    assert (delivery.claimed_at, delivery.due_at) == (now, now + LEASE)
    assert not is_due(now + LEASE - MOMENT)
    assert claim(now=now + LEASE - MOMENT) == {}
    assert claim(now=now + LEASE) == {delivery_id: 2}


@pytest.mark.parametrize(
    "state", [DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.CANCELLED]
)
def test_finished_deliveries_are_never_claimed(
    hook: Hook, report_events: ReportEvents, state: DeliveryState
) -> None:
    """Only pending deliveries can be due."""
    report_events()
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(state=state))
    later = utc_now() + timedelta(days=1)
    assert not is_due(later)
    assert claim(now=later) == {}


def test_two_claims_at_once_never_share(hook: Hook, report_events: ReportEvents) -> None:
    """While one claim is not committed, another gets only the rest."""
    ids = report_events(4)
    engine, now = db.engine, utc_now()
    others: dict[str, int] = {}

    def claim_others() -> None:
        with write_transaction(engine) as connection:
            others.update(look(connection, 100, now).fences)

    thread = threading.Thread(target=claim_others)
    with write_transaction(engine) as connection:
        mine = look(connection, 2, now).fences
        thread.start()
        if engine.dialect.name == "postgresql":
            # It does not wait for locked rows, it skips them.
            thread.join()
    thread.join()
    assert len(mine) == len(others) == 2
    assert mine.keys() | others.keys() == set(ids)


def test_many_threads_claim_each_delivery_once(
    app: Flask, hook: Hook, report_events: ReportEvents
) -> None:
    """Of concurrent workers exactly one claims each delivery."""
    ids = report_events(60)
    engine, now = db.engine, utc_now()
    found: list[tuple[str, int]] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        while True:
            with write_transaction(engine) as connection:
                claimed = look(connection, 4, now).fences
            if not claimed:
                return
            found.extend(claimed.items())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((delivery_id, 1) for delivery_id in ids)


def test_claims_are_loaded_with_their_requests_in_order(
    hook: Hook, report_events: ReportEvents
) -> None:
    """Claims are loaded in the order of their events, whatever order they were claimed in."""
    ids = report_events(5)
    claims = load(dict(reversed(claim().items())))
    assert [claim.delivery_id for claim in claims] == ids
    assert {claim.fence for claim in claims} == {1}
    request = claims[3].request
    assert (request.method, request.url) == (Method.POST, "http://127.0.0.1:9/x?y=1")
    assert f"&EventID={hook.event_id}&" in request.body
    assert f"&DeliveryID={ids[3]}&PBX=head-office" in request.body
    assert "&CallerIDNum=3&" in request.body
    delivery = get_delivery(ids[3])
    assert (claims[3].expires_at, claims[3].hook_id) == (delivery.expires_at, hook.id)
    assert claims[3].origin_id == hook.origin_id


def test_changed_hook_is_sent_as_it_is_now(hook: Hook, report_events: ReportEvents) -> None:
    """A delivery that waited while its hook was changed uses the new settings."""
    report_events()
    begin_write()
    hooks.update_hook(hook, hooks.HookData(url="http://127.0.0.1:9/new"))
    db.session.commit()
    [loaded] = load(claim())
    assert loaded.request.method is Method.GET
    assert loaded.request.url.startswith("http://127.0.0.1:9/new?CallID=")


@pytest.mark.parametrize("end", ["disable", "clear", "raw"])
def test_what_is_off_since_the_claim_is_left_out(
    hook: Hook, report_events: ReportEvents, end: str
) -> None:
    """A hook that was disabled or removed after the claim sends nothing."""
    [delivery_id] = report_events()
    claimed = claim()
    begin_write()
    if end == "disable":
        hooks.set_active(hook, active=False)
    elif end == "clear":
        hooks.clear_hooks([hook])
    else:
        # As when an ingest commits at the moment of the disabling, which did not see it.
        hook.active = False
    db.session.commit()
    assert load(claimed) == []
    assert load_sendable(db.engine, claimed, UNLIMITED, cipher.bound).claims == []
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.finished_at) == (DeliveryState.HELD, None)
    assert (delivery.claimed_at, delivery.fence) == (None, 2), "the worker has let it go"


def test_only_open_orphans_are_cancelled(hook: Hook, report_events: ReportEvents) -> None:
    """A delivery that another worker has delivered stays delivered."""
    [delivery_id] = report_events()
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(state=DeliveryState.DELIVERED))
        finish_without_attempt(connection, {delivery_id: 0}, DeliveryState.CANCELLED, utc_now())
    assert get_delivery(delivery_id).state is DeliveryState.DELIVERED


def test_another_workers_claim_is_not_ended(hook: Hook, report_events: ReportEvents) -> None:
    """A worker that has lost its claim cannot finish the delivery."""
    [delivery_id] = report_events()
    [fence] = claim().values()
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(fence=fence + 1))
        finish_without_attempt(connection, {delivery_id: fence}, DeliveryState.CANCELLED, utc_now())
    assert get_delivery(delivery_id).state is DeliveryState.PENDING


def test_lease_is_renewed_for_its_owner_only(hook: Hook, report_events: ReportEvents) -> None:
    """Renewing extends this worker's leases, and none with another fence or that wait again."""
    kept, lost, finished, retried = report_events(4)
    now = utc_now()
    claims = load(claim(now=now))
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).where(Delivery.id == lost).values(fence=2))
        connection.execute(update(Delivery).where(Delivery.id == retried).values(claimed_at=None))
        connection.execute(
            update(Delivery).where(Delivery.id == finished).values(state=DeliveryState.DELIVERED)
        )
        renew_leases(connection, claims, now + LEASE / 2, LEASE)
    assert get_delivery(kept).due_at == now + LEASE * 3 / 2
    assert get_delivery(lost).due_at == now + LEASE
    assert get_delivery(finished).due_at == now + LEASE
    assert get_delivery(retried).due_at == now + LEASE
