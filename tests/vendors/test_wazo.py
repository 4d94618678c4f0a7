"""Wazo's call events, with a call written as its documents have it."""

import pytest

from callevents.enums import Format
from tests.vendors.reading import Pbx

#: The leg of who calls: the example of the message bus's page, with the fields that came later.
CALLER = {
    "bridges": [],
    "call_id": "1455123422.8",
    "conversation_id": "1455123422.8",
    "caller_id_name": "Some One",
    "caller_id_number": "1001",
    "peer_caller_id_number": "1002",
    "peer_caller_id_name": "",
    "dialed_extension": "1002",
    "creation_time": "2026-02-10T11:57:02.592-0500",
    "answer_time": "2026-02-10T11:57:05.100-0500",
    "hangup_time": "2026-02-10T11:57:09-05:00",
    "status": "Ring",
    "is_caller": True,
    "talking_to": {},
    "user_uuid": "2e752722-0864-4665-887d-a78a024cf7c7",
    "reason_code": 16,
}
CALLED = {
    **CALLER,
    "call_id": "1455123422.9",
    "caller_id_number": "1002",
    "peer_caller_id_number": "1001",
    "peer_caller_id_name": "Some One",
    "is_caller": False,
}
#: Valid messages, which the fuzz tests change.
EXAMPLES = [
    {"name": name, "data": data}
    for name in ("call_created", "call_updated", "call_answered", "call_ended")
    for data in (CALLER, CALLED)
]


@pytest.fixture
def pbx() -> Pbx:
    """A Wazo."""
    return Pbx(Format.WAZO)


def test_call(pbx: Pbx) -> None:
    """Created, answered and ended of both legs are the six events of one call."""
    events = []
    for name in ("call_created", "call_answered", "call_ended"):
        for leg in (CALLER, CALLED):
            events += pbx.events_of({"name": name, "data": leg, "origin_uuid": "x"})
    assert events == [
        ("dial-out", "1001", "1002"),
        ("dial-in", "1002", "1001"),
        ("answer-out", "1001", "1002"),
        ("answer-in", "1002", "1001"),
        ("hangup", "1001", "1002"),
        ("hangup", "1002", "1001"),
    ]
    assert {one.call_id for one in pbx.reports} == {"1455123422.8"}
    assert {one.caller_name for one in pbx.reports} == {"Some One"}
    assert pbx.reports[0].at is not None
    assert pbx.reports[0].at.isoformat(timespec="milliseconds") == "2026-02-10T16:57:02.592+00:00"
    assert pbx.reports[-1].cause == 16


def test_name_in_the_query_and_call_in_the_body(pbx: Pbx) -> None:
    """A subscription without a custom body sends only the call; the URL names the event."""
    assert pbx.events_of({"event_name": "call_created"}, CALLED) == [("dial-in", "1002", "1001")]


def test_ignored(pbx: Pbx) -> None:
    """Updates, and legs without a user, are ignored."""
    assert pbx.send({"name": "call_updated", "data": CALLER}) == []
    assert pbx.send({"name": "call_created", "data": {**CALLER, "user_uuid": None}}) == []
    assert "no user" in pbx.ignored


def test_repeated(pbx: Pbx) -> None:
    """The same event of the same leg is one."""
    assert pbx.send({"name": "call_created", "data": CALLER})
    assert pbx.send({"name": "call_created", "data": CALLER}) == []


@pytest.mark.parametrize("time", ["", "2026-02-10T11:57:02", "yesterday", "T", "20T1-0"])
def test_times_that_are_none(pbx: Pbx, time: str) -> None:
    """A time without an offset is not used; the event is not lost for it."""
    call = {**CALLER, "creation_time": time}
    reading = pbx.send({"name": "call_created", "data": call})
    assert [one.at for one in reading] == [None]
