"""Claiming and cancelling look at open deliveries only, however many finished ones there are."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, select, text, update

from callevents import hooks
from callevents.delivery.claim import claim_due, has_due
from callevents.enums import DeliveryState, EventType
from callevents.extensions import begin_write, db, write_transaction
from callevents.models import Delivery, utc_now
from tests.conftest import Configure

Statements = list[tuple[str, object]]


@pytest.fixture
def statements(app: Flask) -> Statements:
    """What is sent to the database from here on, with its parameters."""
    sent: Statements = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        if not statement.startswith(("EXPLAIN", "BEGIN", "SET")):
            sent.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    return sent


def explain(engine: Engine, statement: str, parameters: object) -> str:
    """Return the plan."""
    with engine.connect() as connection:
        explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row) for row in rows)


@pytest.fixture
def hook_id(client: FlaskClient, token: str, configure: Configure) -> int:
    """A hook with thousands of finished deliveries and a few open ones."""
    hook = configure.hook("*", EventType.DIAL_IN, "http://crm.example.com/")
    for number in range(1, 5):
        events = [{"event": "dial-in", "ext": "1", "leg": f"{number}-{n}"} for n in range(1000)]
        headers = {"Authorization": f"Bearer {token}"}
        client.post("/ingest/head-office", json=events, headers=headers)
    begin_write()
    kept = select(Delivery.id).order_by(Delivery.id).limit(5)
    db.session.execute(
        update(Delivery).where(Delivery.id.not_in(kept)).values(state=DeliveryState.DELIVERED)
    )
    db.session.execute(text("ANALYZE"))
    hook_id = hook.id
    db.session.commit()
    return hook_id


def test_claiming_uses_the_index_on_due_deliveries(hook_id: int, statements: Statements) -> None:
    """Asking whether something is due, and claiming it, go through the index of open ones."""
    with write_transaction(db.engine) as connection:
        has_due(connection, utc_now())
        claim_due(connection, 10, utc_now(), timedelta(seconds=30))
    assert len(statements) == 2
    for statement, parameters in statements:
        plan = explain(db.engine, statement, parameters)
        # With few open rows PostgreSQL may take either of the two.
        assert "ix_delivery_due" in plan or "ix_delivery_hook_open" in plan


def test_cancelling_uses_the_index_on_a_hooks_open_deliveries(
    hook_id: int, statements: Statements
) -> None:
    """Disabling a hook looks at its open deliveries only."""
    begin_write()
    statements.clear()
    hooks.cancel_deliveries([hook_id])
    [(statement, parameters)] = statements
    db.session.rollback()
    assert "ix_delivery_hook_open" in explain(db.engine, statement, parameters)
