"""Finding, claiming and ending look at open deliveries only, however many finished ones are there.

The plans of all statements on the way of a delivery are read: the databases' own, and on PostgreSQL
also the plan for any parameters, which it may use for statements that it gets often. They must not
depend on whether anything was open when the statistics were made.
"""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, event, text, update

from bench.finished import fill
from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, OpenIndex, find_ordering_key, new_id, utc_now
from callevents.db.session import begin_write, insert_into, write_transaction
from callevents.delivery import hold
from callevents.delivery.claim import claim_due, renew_leases
from callevents.delivery.expiry import fail_expired, has_expired
from callevents.delivery.fair_share import Ready, Share, find_ready
from callevents.delivery.http.client import Response
from callevents.delivery.load_claims import load_claims
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.queries import last_failures
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import DeliveryState, EventType, ListedState
from callevents.extensions import cipher, db
from callevents.operations.overview import count_open
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import create_receiver
from callevents.receivers.status import Health, find_status
from tests.conftest import Configure
from tests.delivery.conftest import ReportEvents, get_delivery
from tests.support.claims import LEASE

pytestmark = pytest.mark.slow

FINISHED, OPEN, CALLS, ORIGINS = 20_000, 1_500, 250, 5
#: The indexes of open deliveries, by what statements call them.
OPEN_INDEXES = {
    OpenIndex.DUE_AT: "ix_delivery_due",
    OpenIndex.EXPIRES_AT: "ix_delivery_expires",
    OpenIndex.HOOK_ID: "ix_delivery_hook_open",
    OpenIndex.ORDERING_KEY: "ix_delivery_ordering_key",
    OpenIndex.PBX_ID: "ix_delivery_pbx_open",
}
HELD = {"ix_delivery_held_expires", "ix_delivery_hook_held", "ix_delivery_pbx_held"}
Statements = list[tuple[str, Any]]


@pytest.fixture
def statements(app: Flask) -> Statements:
    """The statements sent from here on, with parameters."""
    sent: Statements = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        if statement.startswith(("SELECT", "UPDATE", "WITH")):
            sent.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    return sent


def delivery_row(
    hook: Hook, call_event_id: str, place: int, state: DeliveryState
) -> dict[str, Any]:
    """Return a delivery that waits; they are spread over calls, hooks and origins."""
    now = utc_now()
    call_id, origin_id = f"call-{place % CALLS}", place % ORIGINS + 1
    return {
        "id": new_id(),
        "pbx_id": hook.pbx_id,
        "call_event_id": call_event_id,
        "hook_id": hook.id + place % 50,
        "hook_event_id": hook.event_id,
        "method": hook.method,
        "url": hook.url,
        "event_type": hook.event_type,
        "extension": "101",
        "call_id": call_id,
        "happened_at": now + timedelta(milliseconds=place),
        "origin_id": origin_id,
        "ordering_key": find_ordering_key(hook.pbx_id, call_id, origin_id, in_order=True),
        "state": state,
        "attempts": 0,
        "due_at": now + timedelta(seconds=place % 3 - 1),
        "expires_at": now + timedelta(days=1 if place else -1),
        "is_retry": place % 7 == 0,
        "deferred": place >= CALLS,
        "attempts_before": 0,
        "fence": 0,
        "created_at": now,
        "error": "",
    }


@pytest.fixture(params=["fresh", "stale"])
def hook(request: pytest.FixtureRequest, configure: Configure, report_events: ReportEvents) -> Hook:
    """A hook among thousands of finished deliveries and many open and held ones.

    The statistics are fresh, or from a time when nothing was open.
    """
    hook = configure.hook("*", EventType.DIAL_IN, "http://crm.example.com/")
    [delivery_id] = report_events()
    event_id = get_delivery(delivery_id).call_event_id
    begin_write()
    db.session.execute(update(Delivery).values(state=DeliveryState.DELIVERED))
    db.session.commit()
    # Copies of it. On PostgreSQL, it is analyzed.
    fill(db.engine, FINISHED)
    begin_write()
    rows = [
        delivery_row(hook, event_id, place, state)
        for state, first in ((DeliveryState.PENDING, 0), (DeliveryState.HELD, 1))
        for place in range(first, OPEN)
    ]
    db.session.execute(insert_into(Delivery), rows)
    if request.param == "fresh":
        db.session.execute(text("ANALYZE"))
    db.session.commit()
    return hook


def explain(engine: Engine, statement: str, parameters: Any) -> list[str]:
    """Return the plans that the database may use."""
    one = parameters[0] if isinstance(parameters, list) else parameters
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            return [_plan(connection, f"EXPLAIN QUERY PLAN {statement}", one)]
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
        general = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", statement)
        return [
            _plan(connection, f"EXPLAIN {statement}", one),
            _plan(connection, f"EXPLAIN (GENERIC_PLAN) {general}", None),
        ]


def _plan(connection: Connection, statement: str, parameters: Any) -> str:
    rows = connection.exec_driver_sql(statement, parameters)
    return "\n".join(str(row[-1]) for row in rows)


def check(statements: Statements, engine: Engine) -> list[str]:
    """Return all plans.

    Fail if any reads the whole table of deliveries, or another index of open deliveries than the
    statement names.
    """
    plans = []
    for statement, parameters in statements:
        for plan in explain(engine, statement, parameters):
            whole = re.search(r"Seq Scan on delivery|SCAN delivery\w*$", plan, re.MULTILINE)
            assert not whole, f"{statement}\n{plan}"
            named = {
                OPEN_INDEXES[OpenIndex(by)] for by in re.findall(r"'pending (\w+)'", statement)
            }
            used = {index for index in OPEN_INDEXES.values() if re.search(rf"{index}\b", plan)}
            assert used == named, f"{statement}\n{plan}"
            plans.append(plan)
    assert plans
    return plans


def test_looking_and_claiming(hook: Hook, statements: Statements) -> None:
    """Finding origins, claiming, finding whose turn it is and loading go through indexes."""
    now = utc_now()
    with write_transaction(db.engine) as connection:
        ready = find_ready(connection, now)
        assert len(ready) == 2 * ORIGINS
        found = claim_due(connection, [Share(one, 10) for one in ready], now, LEASE)
        assert 0 < len(found.fences) < found.examined, "some are deferred"
        load_claims(connection, found.fences, 0, cipher.bound)
    plans = check(statements, db.engine)
    assert sum("ix_delivery_due" in plan for plan in plans) >= 2 * ORIGINS + 1
    assert not any("_held" in plan for plan in plans), "held ones cost a claim nothing"


def test_recording_and_renewing(hook: Hook, statements: Statements) -> None:
    """Recording, going on with ordering keys, and renewing leases go through indexes."""
    now = utc_now()
    with write_transaction(db.engine) as connection:
        found = claim_due(connection, [Share(Ready(1, is_retry=False), 20)], now, LEASE)
        claims, _ = load_claims(connection, found.fences, 0, cipher.bound)
        assert claims
    statements.clear()
    with write_transaction(db.engine) as connection:
        renew_leases(connection, claims, now, LEASE)
        record(connection, [Outcome(one, Response(now, 1)) for one in claims], now, Settings())
    assert any("ordering_keys" in statement for statement, _ in statements)
    check(statements, db.engine)


def test_giving_up(hook: Hook, statements: Statements) -> None:
    """Expired deliveries are found by the index on their expiry."""
    with write_transaction(db.engine) as connection:
        assert has_expired(connection, utc_now())
        assert fail_expired(connection, utc_now()) == 1
    assert sum("ix_delivery_expires" in plan for plan in check(statements, db.engine)) >= 2


def test_cancelling(hook: Hook, statements: Statements) -> None:
    """Disabling a hook, enabling and clearing it look at its open and held deliveries only."""
    # Which of the indexes of held deliveries it is depends on the statistics.
    small = {"ix_delivery_hook_open", *HELD}
    for change in (
        hold.hold,
        hold.release,
        hold.count_waiting,
        lambda ids: hold.cancel_waiting(db.session.connection(), ids, utc_now()),
    ):
        begin_write()
        statements.clear()
        change([hook.id])
        db.session.rollback()
        plans = check([one for one in statements if "delivery" in one[0]], db.engine)
        used = set(re.findall(r"ix_delivery_\w+", "\n".join(plans)))
        assert used
        assert used <= small | {"ix_delivery_ordering_key"}
        found = [plan.count("ix_delivery_hook_open") for plan in plans]
        assert max(found) <= 1, "twice, it would look through all of them for each one"


def test_pages(hook: Hook, statements: Statements) -> None:
    """The overview and the log look at the open deliveries of their PBX or hook only."""
    pbx, event_id = hook.pbx, hook.event_id
    statements.clear()
    count_open(pbx, utc_now())
    count_open(None, utc_now())
    last_failures([hook])
    find_page(Filter(pbx, ListedState.PENDING), limit=50)
    find_page(Filter(state=ListedState.PENDING, hook=event_id), limit=50)
    plans = check([one for one in statements if "'pending " in one[0]], db.engine)
    for index, count in (("pbx_open", 2), ("expires", 1), ("hook_open", 2)):
        assert sum(f"ix_delivery_{index}" in plan for plan in plans) >= count, index


def test_state_of_a_receiver(hook: Hook, statements: Statements) -> None:
    """Whether something was sent to it is found by the newest deliveries of its requests."""
    begin_write()
    receiver = create_receiver(ReceiverData("CRM", "http://crm.example.com"))
    hook.receiver_id = receiver.id
    db.session.commit()
    statements.clear()
    assert find_status(receiver).health is Health.UNUSED
    plans = check([one for one in statements if "attempts" in one[0]], db.engine)
    for plan in plans:
        assert "ix_delivery_hook_id_id" in plan
        assert not re.search(r"pk_delivery|SORT|Sort|TEMP B-TREE", plan), plan
