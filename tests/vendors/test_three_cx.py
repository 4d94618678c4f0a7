"""3CX's webhook reporters, with the examples of their vendors."""

from urllib.parse import parse_qsl

import pytest

from callevents.enums import Format
from tests.vendors.reading import Pbx

#: Requests of a call from outside to extension 102, as one vendor's documentation shows them.
REQUESTS = [
    "event=ringing&callerid=420774852640&user=802&usertype=queue&did=DID-420223003090"
    "&id=220726170922_4-0",
    "event=ringing&callerid=420774852640&user=102&usertype=ext&did=DID-420223003090"
    "&id=220726170922_4-0",
    "event=hangupincoming&callerid=420774852640&user=102&did=DID-420223003090&trtype=NotDef"
    "&id=220726170922_4-1",
    "event=incoming&callerid=420774852640&user=102&finishtype=Ok&transfer=False"
    "&did=DID-420223003090&duration=3:24&id=220726170922_4-1",
]
#: Valid messages, which the fuzz tests change.
EXAMPLES = [dict(parse_qsl(text)) for text in REQUESTS]


@pytest.fixture
def pbx() -> Pbx:
    """A 3CX with a reporter."""
    return Pbx(Format.THREE_CX)


def test_call_from_outside(pbx: Pbx) -> None:
    """The queue is no extension; ringing, picked up and ended are events of the extension."""
    events = []
    for example in EXAMPLES:
        events += pbx.events_of(example)
    assert events == [
        ("dial-in", "102", "420774852640"),
        ("answer-in", "102", "420774852640"),
        ("hangup", "102", "420774852640"),
    ]
    assert {one.call_id for one in pbx.reports} == {"220726170922_4"}
    assert (pbx.reports[-1].duration_seconds, pbx.reports[-1].cause) == (204, 16)


def test_call_to_outside(pbx: Pbx) -> None:
    """An extension calls, the other party picks up, and the call ends; here as JSON."""
    for event in ("dialing", "pickupoutgoing", "outgoing"):
        pbx.send({"event": event, "callerid": "381629", "user": "809", "chid": "c", "id": "i-0"})
    events = [(one.event_type.slug, one.extension, one.peer) for one in pbx.reports]
    assert events == [
        ("dial-out", "809", "381629"),
        ("answer-out", "809", "381629"),
        ("hangup", "809", "381629"),
    ]
    assert {one.call_id for one in pbx.reports} == {"c"}


def test_missed_call(pbx: Pbx) -> None:
    """A missed call has the cause of no answer."""
    call = {"event": "incoming", "callerid": "1", "user": "809", "finishtype": "Missed"}
    [end] = pbx.send(call)
    assert (end.cause, end.duration_seconds) == (19, None)


def test_ignored(pbx: Pbx) -> None:
    """Recordings are none of the five."""
    assert pbx.send({"event": "recording", "user": "1"}) == []
    assert "none of the five" in pbx.ignored


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:06", 6), ("1:00:05", 3605), ("17", 17), ("x", None), ("1:2:3:4", None)],
)
def test_durations(pbx: Pbx, text: str, seconds: int | None) -> None:
    """Durations are minutes and seconds, hours before them, or seconds."""
    [end] = pbx.send({"event": "incoming", "user": "1", "duration": text})
    assert end.duration_seconds == seconds
