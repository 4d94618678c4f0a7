"""The log of deliveries: newest first, single ones, and each hook's last."""

from datetime import timedelta

import pytest
from flask import Flask

from callevents.db.models import Attempt, Delivery, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.attempts import list_attempts
from callevents.delivery.log import queries
from callevents.enums import DeliveryState, EventType
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.conftest import Configure
from tests.delivery.conftest import ReportEvents

NOBODYS = "01a20701-a07b-7511-987d-0828034a71d0"


@pytest.fixture
def other(app: Flask) -> Pbx:
    """Another PBX."""
    begin_write()
    other, _ = pbxs.add_pbx("Branch")
    db.session.commit()
    return other


def test_newest_first(
    pbx: Pbx, other: Pbx, configure: Configure, report_events: ReportEvents
) -> None:
    """Lists go from new to old, and are of one PBX."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    newest = list(reversed(report_events(5)))
    assert [one.id for one in queries.list_deliveries(pbx=pbx)] == newest
    assert [one.id for one in queries.list_deliveries(pbx=pbx, limit=2)] == newest[:2]
    assert queries.list_deliveries(pbx=other) == []


@pytest.mark.parametrize("wrong", ["", "abc", "\x00", "1" * 100, NOBODYS])
def test_unknown_delivery(app: Flask, wrong: str) -> None:
    """Invalid and unknown ids are not found."""
    with pytest.raises(NotFoundError, match=r"^There is no such delivery\.$"):
        queries.get_delivery(wrong)


def test_delivery_of_another_pbx(
    pbx: Pbx, other: Pbx, configure: Configure, report_events: ReportEvents
) -> None:
    """A delivery is found under its own PBX only."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    [delivery_id] = report_events()
    assert queries.get_delivery(delivery_id, pbx).id == delivery_id
    assert queries.get_delivery(delivery_id.upper()).id == delivery_id
    with pytest.raises(NotFoundError):
        queries.get_delivery(delivery_id, other)
    assert list_attempts(queries.get_delivery(delivery_id)) == []


def test_deliveries_of_one_event(
    pbx: Pbx, configure: Configure, report_events: ReportEvents
) -> None:
    """The deliveries of one event are found among all others."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    configure.hook("*", EventType.DIAL_IN, "http://b/")
    report_events(3)
    event_id = queries.list_deliveries(pbx=pbx)[2].call_event_id
    found = queries.list_deliveries(pbx=pbx, call_event_id=event_id)
    assert [one.url for one in found] == ["http://b/", "http://a/"]
    assert {one.call_event_id for one in found} == {event_id}


def test_last_delivery_of_each_hook(configure: Configure, report_events: ReportEvents) -> None:
    """Each hook has its own last delivery; one that had none is left out."""
    first = configure.hook("*", EventType.DIAL_IN, "http://a/")
    second = configure.hook("*", EventType.DIAL_OUT, "http://b/")
    silent = configure.hook("*", EventType.HANGUP, "http://c/")
    ins = report_events(3)
    outs = report_events(2, EventType.DIAL_OUT)
    last = queries.last_deliveries([first, second, silent])
    assert {hook_id: one.id for hook_id, one in last.items()} == {
        first.id: ins[-1],
        second.id: outs[-1],
    }
    assert queries.last_deliveries([]) == {}


def test_last_failure_of_each_hook(configure: Configure, report_events: ReportEvents) -> None:
    """The last failed attempt is found behind any number of deliveries that wait for their first.

    What a delivery says of how it ended is not its attempt's error.
    """
    failing = configure.hook("*", EventType.DIAL_IN, "http://a/")
    ended = configure.hook("*", EventType.DIAL_OUT, "http://b/")
    new = configure.hook("*", EventType.HANGUP, "http://c/")
    ins = report_events(queries.MAX_SEARCHED + 5)
    outs = report_events(3, EventType.DIAL_OUT)
    report_events(1, EventType.HANGUP)
    begin_write()
    fail(ins[1], "Older.", minutes_ago=2)
    fail(ins[0], "Newer.", minutes_ago=1)
    fail(outs[1], "Refused.", minutes_ago=1).state = DeliveryState.FAILED
    db.session.get_one(Delivery, outs[1]).error = "The request was suspended."
    db.session.commit()
    found = queries.last_failures([failing, ended, new])
    assert {hook_id: (one.delivery_id, one.error) for hook_id, one in found.items()} == {
        failing.id: (ins[0], "Newer."),
        ended.id: (outs[1], "Refused."),
    }
    assert queries.last_failures([]) == {}


def fail(delivery_id: str, error: str, minutes_ago: int) -> Delivery:
    """Add an attempt to the delivery that failed that long ago."""
    delivery = db.session.get_one(Delivery, delivery_id)
    delivery.attempts, delivery.error = 1, error
    delivery.attempted_at = utc_now() - timedelta(minutes=minutes_ago)
    db.session.add(
        Attempt(
            delivery_id=delivery_id,
            number=1,
            started_at=delivery.attempted_at,
            duration_ms=3,
            error=error,
            method=delivery.method,
            url=delivery.url,
            request_headers=[],
            response_headers=[],
        )
    )
    return delivery
