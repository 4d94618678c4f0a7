"""Each filter, and the usual combinations, read the end of an index and no more."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import find_page
from callevents.enums import EventType, ListedState
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.conftest import Configure
from tests.delivery.log.many_deliveries import MANY, make_deliveries

Statements = list[tuple[str, object]]


@pytest.fixture
def end(pbx: Pbx, configure: Configure) -> datetime:
    """A log with very many deliveries of two PBXs; when the last of them was made."""
    begin_write()
    other, _ = pbxs.add_pbx("Branch")
    db.session.commit()
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    return make_deliveries(pbx, other, MANY)


@pytest.fixture
def statements(app: Flask) -> Iterator[Statements]:
    """The statements sent from here on, with parameters."""
    sent: Statements = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        if re.search("FROM (delivery|call_event)", statement) and "EXPLAIN" not in statement:
            sent.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    yield sent
    event.remove(db.engine, "before_cursor_execute", note)


#: With few open deliveries every index is small, and planners choose any of them.
OPEN = "ix_delivery_(pbx_open|hook_open|due|ordering_key|expires)"


def filters(pbx: Pbx, hook: str, end: datetime) -> dict[str, tuple[Filter, str]]:
    """Return filters by a name, each with the index that it should use, as a pattern."""
    whole = "ix_delivery_pbx_id_id"
    hangup = EventType.HANGUP
    recent = {"since": end - timedelta(minutes=10), "until": end - timedelta(minutes=5)}
    return {
        "everything": (Filter(), "delivery"),
        "of a time": (Filter(**recent), "delivery"),
        "pbx": (Filter(pbx), whole),
        "pbx of a time": (Filter(pbx, **recent), whole),
        "extension": (Filter(pbx, extension="117"), "ix_delivery_pbx_id_extension_id"),
        "event": (Filter(pbx, event_type=hangup), whole),
        "hook": (Filter(pbx, hook=hook), "ix_delivery_hook_id_id"),
        "origin": (Filter(pbx, origin="https://crm.example.com"), whole),
        "call": (Filter(pbx, call_id="call-77"), "ix_delivery_call_event_id"),
        "failed": (Filter(pbx, ListedState.FAILED), "ix_delivery_pbx_failed"),
        "cancelled": (Filter(pbx, ListedState.CANCELLED), "ix_delivery_pbx_cancelled"),
        "skipped": (Filter(pbx, ListedState.SKIPPED), "ix_delivery_pbx_skipped"),
        "pending": (Filter(pbx, ListedState.PENDING), OPEN),
        "waiting": (Filter(pbx, ListedState.WAITING), OPEN),
        "delivered": (Filter(pbx, ListedState.DELIVERED), whole),
        "failed of a hook": (Filter(pbx, ListedState.FAILED, hook=hook), "ix_delivery_pbx_failed"),
        "pending of a hook": (
            Filter(pbx, ListedState.PENDING, hook=hook),
            OPEN,
        ),
        "failed of an event": (
            Filter(pbx, ListedState.FAILED, event_type=hangup),
            "ix_delivery_pbx_failed",
        ),
        "failed of an extension of a time": (
            Filter(pbx, ListedState.FAILED, extension="117", **recent),
            "ix_delivery_pbx_failed",
        ),
        "event of an extension": (
            Filter(pbx, extension="117", event_type=hangup),
            "ix_delivery_pbx_id_extension_id",
        ),
        "nothing to be found": (
            Filter(pbx, ListedState.FAILED, extension="117", origin="https://crm.example.com"),
            "ix_delivery_pbx_failed",
        ),
        "failed anywhere": (Filter(state=ListedState.FAILED), "ix_delivery_pbx_failed"),
        "extension anywhere": (Filter(extension="117"), "ix_delivery_pbx_id_extension_id"),
        "call anywhere": (Filter(call_id="call-77"), "ix_delivery_call_event_id"),
    }


@pytest.mark.slow
def test_filters_read_the_end_of_an_index(pbx: Pbx, end: datetime, statements: Statements) -> None:
    """No filter reads the whole table, or sorts what it has not limited before."""
    hook = db.session.connection().exec_driver_sql("SELECT event_id FROM hook").scalar_one()
    for name, (wanted, index) in filters(pbx, hook, end).items():
        statements.clear()
        # As the real window is to five million, so that plans do not depend on how many there are.
        find_page(wanted, limit=50, window=MANY // 500)
        assert statements, name
        plans = [explain(*statement) for statement in statements]
        assert re.search(index, "\n".join(plans)), f"{name}:\n{plans}"
        for plan in plans:
            check_plan(name, plan)


def explain(statement: str, parameters: object) -> str:
    """Return the plan."""
    explain = "EXPLAIN" if db.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)  # type: ignore[arg-type]  # as they were sent
        return "\n".join(str(row) for row in rows)


def check_plan(name: str, plan: str) -> None:
    """Check that the plan goes through an index, and stops early."""
    assert not re.search("Seq Scan on (delivery|call_event)", plan), f"{name}:\n{plan}"
    whole = r"SCAN (delivery|call_event)(?! USING (COVERING )?INDEX)"
    assert not re.search(whole, plan), f"{name}:\n{plan}"
    assert "Bitmap" not in plan, f"{name}:\n{plan}"
