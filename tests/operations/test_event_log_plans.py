"""Pages of call events and of calls read the end of an index and no more."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import event

from callevents.db.models import Pbx
from callevents.extensions import db
from callevents.operations.call_log import CallFilter, find_calls
from callevents.operations.event_log import EventFilter, find_events
from callevents.operations.number_search import Number
from tests.conftest import Configure
from tests.delivery.log.many_deliveries import MANY, make_deliveries

pytestmark = pytest.mark.slow

OF_PBX, OF_CALL = "ix_call_event_pbx_id_received_at", "ix_call_event_pbx_id_call_id_received_at"
PRIMARY = "pk_call_event|sqlite_autoindex_call_event_1"
#: Reads without an index, of the table itself and not of what was found in it.
WHOLE = re.compile(r"Seq Scan on call_event|SCAN call_event(?! USING)", re.MULTILINE)


def explain(read: Callable[[], object]) -> str:
    """Return the plans of all statements that are sent."""
    sent: list[tuple[str, object]] = []

    def note(
        _connection: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        if "call_event" in statement:
            sent.append((statement, parameters))

    db.session.rollback()
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    is_sqlite = db.engine.dialect.name == "sqlite"
    word = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    assert sent
    with db.engine.connect() as connection:
        plans = [
            connection.exec_driver_sql(f"{word} {statement}", parameters)  # type: ignore[arg-type]  # as they were sent
            for statement, parameters in sent
        ]
        return "\n".join(str(row[-1]) for plan in plans for row in plan)


def test_pages_read_the_end_of_an_index(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """Whatever the filter, and whether all PBXs are read or some."""
    make_deliveries(pbx, other_pbx, MANY)
    one, both = [pbx.id], [pbx.id, other_pbx.id]
    number = Number.of("0612345678")
    reads: list[tuple[Callable[[], object], tuple[str, ...]]] = [
        (lambda: find_events(EventFilter(), limit=50), (PRIMARY,)),
        (lambda: find_events(EventFilter(extension="117"), limit=50), (PRIMARY,)),
        (lambda: find_events(EventFilter(one), limit=50), (OF_PBX,)),
        (lambda: find_events(EventFilter(both, extension="none"), limit=50), (OF_PBX,)),
        (lambda: find_events(EventFilter(one, call_id="call-7"), limit=50), (OF_CALL,)),
        (lambda: find_calls(CallFilter(EventFilter()), limit=50), (PRIMARY, OF_CALL)),
        (lambda: find_calls(CallFilter(EventFilter(one)), limit=50), (OF_PBX, OF_CALL)),
        (
            lambda: find_calls(CallFilter(EventFilter(both), "117", number), limit=50),
            (OF_PBX, OF_CALL),
        ),
    ]
    for place, (read, indexes) in enumerate(reads):
        plan = explain(read)
        assert not WHOLE.search(plan), (place, plan)
        for index in indexes:
            assert re.search(index, plan), (place, index, plan)
