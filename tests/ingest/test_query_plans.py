"""Accepting an event looks at its own call and hooks only, however many others there are."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, insert, select, text, update

from callevents.db.models import CallEvent, Delivery, Extension, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, HookScope
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.quota import check_quotas
from callevents.ingest.report import Report
from tests.conftest import Configure

EVENTS = 3_000
Statements = list[tuple[str, object]]


@pytest.fixture
def statements(app: Flask) -> Statements:
    """The statements on events sent from here on, with parameters."""
    sent: Statements = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        reads = "FROM call_event" in statement or "FROM hook" in statement
        if reads and "EXPLAIN" not in statement:
            sent.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    return sent


def test_hangups(pbx: Pbx, configure: Configure, statements: Statements) -> None:
    """The events of a call that hangs up are found by its ID, among thousands of the same day."""
    configure.hook("*", EventType.HANGUP, "http://crm.example.com/")
    begin_write()
    others = [
        Report(event_type=EventType.DIAL_IN, extension="101", call_id=f"call-{number}")
        for number in range(EVENTS)
    ]
    accept(pbx, others)
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        # As autovacuum does. Nothing analyzes SQLite.
        db.session.execute(text("ANALYZE"))
        db.session.commit()
    statements.clear()
    begin_write()
    accept(pbx, [Report(event_type=EventType.HANGUP, extension="101", call_id="call-7")])
    db.session.commit()
    plans = [explain(*statement) for statement in statements]
    assert sum("ix_call_event_pbx_id_call_id_received_at" in plan for plan in plans) == 1, plans
    for plan in plans:
        assert not re.search("Seq Scan on call_event|SCAN call_event", plan), plan


@pytest.mark.parametrize("has_ends", [False, True])
def test_hooks(pbx: Pbx, configure: Configure, statements: Statements, *, has_ends: bool) -> None:
    """Of thousands of hooks, only those are read that apply, and one that wants ends of calls."""
    configure.extension("101")
    configure.extension("102")
    hook = configure.hook("101", EventType.HANGUP, "http://crm.example.com/")
    names = [column.name for column in Hook.__table__.columns if column.name != "id"]
    columns = {name: getattr(hook, name) for name in names}
    begin_write()
    other = db.session.scalars(select(Extension.id).where(Extension.number == "102")).one()
    copies = [
        columns | {"event_id": f"event-{number}", "extension_id": other} for number in range(EVENTS)
    ]
    db.session.execute(insert(Hook), copies)
    if has_ends:
        db.session.execute(update(Hook).where(Hook.id == hook.id).values(scope=HookScope.CALL))
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("ANALYZE"))
        db.session.commit()
    statements.clear()
    begin_write()
    accept(pbx, [Report(event_type=EventType.HANGUP, extension="101", call_id="c1")])
    db.session.commit()
    plans = [explain(*one) for one in statements if "FROM hook" in one[0]]
    assert len(plans) == 1 + has_ends
    for plan in plans:
        assert "ix_hook_once_per_call" in plan, plan
        assert not re.search("Seq Scan on hook|SCAN hook", plan), plan


def test_quotas(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Recent events and open deliveries are counted with the indexes made for them."""
    configure.hook("*", EventType.HANGUP, "http://crm.example.com/")
    Configure(other_pbx).hook("*", EventType.HANGUP, "http://crm.example.com/")
    begin_write()
    reports = [
        Report(event_type=EventType.HANGUP, extension="101", call_id=f"call-{number}")
        for number in range(EVENTS)
    ]
    accept(pbx, reports)
    accept(other_pbx, reports[:100])
    # As after a while: no event is recent, and only some deliveries of the other PBX wait.
    old = utc_now() - timedelta(hours=1)
    db.session.execute(update(CallEvent).values(received_at=old))
    ended = update(Delivery).where(Delivery.pbx_id == pbx.id)
    db.session.execute(ended.values(state=DeliveryState.DELIVERED))
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("ANALYZE"))
        db.session.commit()
    sent: Statements = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        sent.append((statement, parameters))

    pbx.max_events_per_minute = pbx.max_open_deliveries = 20
    db.session.flush()
    event.listen(db.engine, "before_cursor_execute", note)
    assert check_quotas(pbx, [1], utc_now()) == [None]
    event.remove(db.engine, "before_cursor_execute", note)
    [plan] = [explain(*one) for one in sent]
    assert "ix_call_event_pbx_id_received_at" in plan, plan
    assert "ix_delivery_pbx_open" in plan, plan
    assert not re.search("Seq Scan|SCAN (call_event|delivery)", plan), plan


def explain(statement: str, parameters: object) -> str:
    """Return the plan."""
    verb = "EXPLAIN" if db.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{verb} {statement}", parameters)  # type: ignore[arg-type]  # as they were sent
        return "\n".join(str(row[-1]) for row in rows)
