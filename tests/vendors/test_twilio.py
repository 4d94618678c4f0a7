"""Twilio's status callbacks, written as its documents have them."""

import pytest

from callevents.enums import Format
from tests.vendors.reading import Pbx, vary

#: A child leg that a <Dial> has made to a client of Twilio.
TO_CLIENT = {
    "AccountSid": "AC00000000000000000000000000000000",
    "ApiVersion": "2010-04-01",
    "CallSid": "CA11111111111111111111111111111111",
    "ParentCallSid": "CA00000000000000000000000000000000",
    "From": "+15551230001",
    "To": "client:ana",
    "Direction": "outbound-dial",
    "CallbackSource": "call-progress-events",
    "Timestamp": "Mon, 23 Nov 2026 03:07:06 +0000",
    "SequenceNumber": "0",
}
TO_NUMBER = {**TO_CLIENT, "From": "client:ana", "To": "+15551230002"}
#: Valid messages, which the fuzz tests change.
EXAMPLES = vary(
    "CallStatus",
    ("initiated", "ringing", "in-progress", "completed", "busy"),
    TO_CLIENT,
    TO_NUMBER,
)


@pytest.fixture
def pbx() -> Pbx:
    """A Twilio."""
    return Pbx(Format.TWILIO)


def test_to_a_client(pbx: Pbx) -> None:
    """A child leg to a client rings, is answered and ends there."""
    for status in ("queued", "ringing", "in-progress", "completed"):
        pbx.send(TO_CLIENT, {"CallStatus": status, "CallDuration": "12"})
    events = [(one.event_type.slug, one.extension, one.peer) for one in pbx.reports]
    assert events == [
        ("dial-in", "ana", "+15551230001"),
        ("answer-in", "ana", "+15551230001"),
        ("hangup", "ana", "+15551230001"),
    ]
    assert (pbx.reports[-1].duration_seconds, pbx.reports[-1].cause) == (12, 16)
    assert {one.call_id for one in pbx.reports} == {TO_CLIENT["ParentCallSid"]}
    assert pbx.reports[0].at is not None
    assert pbx.reports[0].at.isoformat() == "2026-11-23T03:07:06+00:00"


@pytest.mark.parametrize(
    ("status", "cause"), [("busy", 17), ("no-answer", 19), ("canceled", 127), ("failed", 34)]
)
def test_to_a_number(pbx: Pbx, status: str, cause: int) -> None:
    """A child leg to a number outside is a call of the client that has made it."""
    assert pbx.events_of(TO_NUMBER, {"CallStatus": "ringing"}) == [
        ("dial-out", "ana", "+15551230002")
    ]
    [end] = pbx.send(TO_NUMBER, {"CallStatus": status})
    assert (end.event_type.slug, end.extension, end.cause) == ("hangup", "ana", cause)


def test_extension_of_the_url(pbx: Pbx) -> None:
    """If neither end is an extension, the callback URL may name one."""
    outside = {**TO_NUMBER, "From": "+15551230001", "CallStatus": "ringing"}
    assert pbx.send(outside) == []
    assert "no ext=" in pbx.ignored
    assert pbx.events_of(outside, {"ext": "101"}) == [("dial-out", "101", "+15551230002")]


def test_between_two_of_our_own(pbx: Pbx) -> None:
    """From SIP address to SIP address, both get events."""
    leg = {**TO_CLIENT, "From": "sip:101@x.sip.twilio.com", "To": "sip:102@x.sip.twilio.com;a=b"}
    assert pbx.events_of(leg, {"CallStatus": "ringing"}) == [
        ("dial-out", "101", "102"),
        ("dial-in", "102", "101"),
    ]


def test_names_of_jambonz(pbx: Pbx) -> None:
    """The service jambonz sends the same names in lower case with underscores, as JSON."""
    message = {
        "call_sid": "c2",
        "parent_call_sid": "c1",
        "direction": "outbound",
        "from": "+15551230001",
        "to": "sip:102@a",
        "call_status": "in-progress",
    }
    assert pbx.events_of(message) == [("answer-in", "102", "+15551230001")]


def test_parent(pbx: Pbx) -> None:
    """The incoming leg is ignored."""
    parent = {**TO_CLIENT, "ParentCallSid": "", "Direction": "inbound", "CallStatus": "in-progress"}
    assert pbx.send(parent) == []
    assert "only Twilio has answered it" in pbx.ignored


@pytest.mark.parametrize("time", ["", "x", "Mon, 99 Nov 2026 03:07:06 +0000", "1", "\u0660"])
def test_times_that_are_none(pbx: Pbx, time: str) -> None:
    """A time that cannot be read does not lose the event."""
    [report] = pbx.send({**TO_CLIENT, "CallStatus": "ringing", "Timestamp": time})
    assert report.at is None
