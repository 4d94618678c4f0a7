"""Two processes that store events of one call at the same moment."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from callevents.db.models import Delivery, OncePerCall, Pbx
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.ingest.accepting import count
from tests.ingest.calls import deliveries, once_per_call, store, the_end
from tests.ingest.test_accept_races import detach, in_threads
from tests.support.database_faults import before_statement, meanwhile, refused_inserts

DIAL_IN, ANSWER_IN, HANGUP = EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP
ONLY_POSTGRESQL = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)


def told(event: EventType, extension: str, **more: object) -> Report:
    """Return a report of the call c1."""
    return Report(**{"event_type": event, "extension": extension, "call_id": "c1", **more})  # type: ignore[arg-type]


@pytest.fixture
def ringing(pbx: Pbx, configure: Configure) -> Pbx:
    """A PBX where 101 and 102 ring in one call, and hooks that are sent once per call."""
    for event in (ANSWER_IN, HANGUP):
        once_per_call(configure, event)
    store(pbx, told(DIAL_IN, "101"), told(DIAL_IN, "102"))
    detach(pbx)
    return pbx


def storing(pbx: Pbx, *reports: Report) -> Callable[[], None]:
    """Return a function that stores the reports."""
    return lambda: store(pbx, *reports) and None


@ONLY_POSTGRESQL
def test_the_other_is_faster(app: Flask, ringing: Pbx) -> None:
    """The other process stores the last hangup but one after this one has stored its own."""

    def be_faster() -> None:
        in_threads(app, storing(ringing, told(HANGUP, "101", cause=19)))

    with before_statement(db.engine, "SELECT pg_advisory_xact_lock", be_faster):
        store(ringing, told(HANGUP, "102", cause=19))
    assert the_end()["Outcome"] == "missed"


@pytest.mark.parametrize("event", [HANGUP, ANSWER_IN])
def test_the_other_waits(app: Flask, ringing: Pbx, event: EventType) -> None:
    """The other process waits for the first one, and then sees its event."""

    def store_other() -> None:
        with app.app_context():
            store(ringing, told(event, "101", cause=19))

    with meanwhile(db.engine, "SELECT once_per_call", store_other):
        store(ringing, told(event, "102", cause=19))
    if event is ANSWER_IN:
        assert [one.extension for one in deliveries(event)] == ["102"]
    else:
        assert the_end()["Outcome"] == "missed"


def test_many_at_once(app: Flask, ringing: Pbx) -> None:
    """However the events of a call arrive, it has one answer and one end."""
    batches = [
        [told(event, extension, key=f"{event}{extension}") for extension in order]
        for event in (ANSWER_IN, HANGUP)
        for order in (("101", "102"), ("102", "101"))
    ]
    in_threads(app, *(storing(ringing, *batch) for batch in batches))
    assert len(deliveries(ANSWER_IN)) == 1
    assert the_end()["Outcome"] == "answered"
    assert count(OncePerCall) == 2


@pytest.mark.parametrize("table", ["once_per_call", "delivery"])
def test_a_failure_leaves_nothing(ringing: Pbx, table: str) -> None:
    """If the database fails in between, nothing is stored, and a repetition works."""
    last = [told(HANGUP, extension, key=extension, cause=19) for extension in ("101", "102")]
    with refused_inserts(db.engine, table):
        with pytest.raises(DBAPIError, match="refused by the test"):
            store(ringing, *last)
        db.session.rollback()
    assert (count(OncePerCall), len(deliveries())) == (0, 0)
    store(ringing, *last)
    assert the_end()["Outcome"] == "missed"


@ONLY_POSTGRESQL
def test_worker_is_about_to_send_the_end(ringing: Pbx) -> None:
    """An end that a worker has locked is not withdrawn, and nobody waits for the worker."""
    store(ringing, told(HANGUP, "101", cause=19), told(HANGUP, "102", cause=19))
    [end] = deliveries(HANGUP)
    with db.engine.begin() as worker:
        worker.execute(select(Delivery.id).where(Delivery.id == end.id).with_for_update())
        store(ringing, told(DIAL_IN, "101", leg_id="2"), told(HANGUP, "101", leg_id="2", cause=19))
    assert [one.id for one in deliveries(HANGUP)] == [end.id]
