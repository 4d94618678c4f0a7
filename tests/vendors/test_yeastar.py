"""Yeastar's event 30011, with messages written as its developer guide's."""

import json
from typing import Any

import pytest

from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.vendors.yeastar import is_signed
from tests.vendors.reading import Pbx

CALL = "1648861726.280"


def extension(number: str, status: str) -> dict[str, Any]:
    """Return a member that is an extension."""
    channel = f"PJSIP/{number}-0000{number}"
    part = {"number": number, "channel_id": channel, "member_status": status, "call_path": ""}
    return {"extension": part}


def outside(kind: str, status: str) -> dict[str, Any]:
    """Return a member that calls from outside, or is called there."""
    part = {
        "from": "5503301" if kind == "inbound" else "2002",
        "to": "2002" if kind == "inbound" else "5503301",
        "trunk_name": "peer-to-41",
        "channel_id": "PJSIP/trunk-peer-to-41-endpoint-000000b5",
        "member_status": status,
        "call_path": " ",
    }
    return {kind: part}


def snapshot(*members: dict[str, Any]) -> dict[str, object]:
    """Return the message about a call with these members."""
    msg = json.dumps({"call_id": CALL, "members": list(members)})
    return {"type": 30011, "sn": "3631A2124XXX", "msg": msg}


#: Valid messages, which the fuzz tests change.
EXAMPLES = [
    snapshot(extension("1", status), other)
    for status in ("ALERT", "RING", "ANSWER", "BYE")
    for other in (
        extension("2", "RING"),
        outside("inbound", "ALERT"),
        outside("outbound", "ANSWER"),
    )
]


@pytest.fixture
def pbx() -> Pbx:
    """A Yeastar."""
    return Pbx(Format.YEASTAR)


def test_internal_call(pbx: Pbx) -> None:
    """Only changes since the previous snapshot become events."""
    a, b = (lambda status: extension("1000", status)), (lambda status: extension("2000", status))
    assert pbx.events_of(snapshot(a("ALERT"), b("RING"))) == [
        ("dial-out", "1000", "2000"),
        ("dial-in", "2000", "1000"),
    ]
    assert pbx.events_of(snapshot(a("ALERT"), b("RING"))) == []
    assert pbx.events_of(snapshot(a("ANSWERED"), b("ANSWER"))) == [
        ("answer-out", "1000", "2000"),
        ("answer-in", "2000", "1000"),
    ]
    assert pbx.events_of(snapshot(a("ANSWERED"), b("HOLD"))) == []
    # Who hangs up has BYE; the call is over for the other one too.
    assert pbx.events_of(snapshot(a("ANSWERED"), b("BYE"))) == [
        ("hangup", "1000", "2000"),
        ("hangup", "2000", "1000"),
    ]
    assert pbx.events_of(snapshot(a("BYE"), b("BYE"))) == []


def test_call_from_outside(pbx: Pbx) -> None:
    """The number outside is the peer of whom it rings, and the number called is the DID."""
    [report] = pbx.send(snapshot(outside("inbound", "ALERT"), extension("2002", "RING")))
    assert (report.event_type.slug, report.extension) == ("dial-in", "2002")
    assert (report.peer, report.called_did, report.call_id) == ("5503301", "2002", CALL)
    events = pbx.events_of(snapshot(outside("inbound", "BYE"), extension("2002", "RING")))
    assert events == [("hangup", "2002", "5503301")]


def test_call_to_outside(pbx: Pbx) -> None:
    """An extension calls a number outside, which answers."""
    for own, other in (("ALERT", "RING"), ("ANSWERED", "ANSWER"), ("BYE", "BYE")):
        pbx.send(snapshot(extension("2002", own), outside("outbound", other)))
    events = [(one.event_type.slug, one.extension, one.peer) for one in pbx.reports]
    assert events == [
        ("dial-out", "2002", "5503301"),
        ("answer-out", "2002", "5503301"),
        ("hangup", "2002", "5503301"),
    ]


def test_ring_group(pbx: Pbx) -> None:
    """Each ringing member gets its events; a member's BYE does not end the others' call."""
    ring = [extension(number, "RING") for number in ("2001", "2002")]
    assert len(pbx.send(snapshot(outside("inbound", "ALERT"), *ring))) == 2
    events = pbx.events_of(
        snapshot(
            outside("inbound", "ANSWERED"), extension("2001", "ANSWER"), extension("2002", "BYE")
        )
    )
    assert events == [("answer-in", "2001", "5503301"), ("hangup", "2002", "5503301")]


def test_caller_who_waits_for_somebody_else(pbx: Pbx) -> None:
    """A phone that declines ends nothing for the caller, whom the PBX may connect to another."""
    caller = extension("1000", "ALERT")
    pbx.send(snapshot(caller, extension("2001", "RING")))
    assert pbx.events_of(snapshot(caller, extension("2001", "BYE"))) == [("hangup", "2001", "1000")]
    assert pbx.events_of(snapshot(caller, extension("2002", "RING"))) == [
        ("dial-in", "2002", "1000")
    ]


def test_other_events(pbx: Pbx) -> None:
    """Other events of Yeastar are ignored."""
    assert pbx.send({"type": 30008, "sn": "x", "msg": '{"extension":"2002"}'}) == []
    assert pbx.ignored == "Yeastar's event '30008' is none of the five call events."


@pytest.mark.parametrize("msg", [None, 7, "{", "[]", "{}", '{"call_id":"c","members":1}'])
def test_broken(pbx: Pbx, msg: object) -> None:
    """A field that differs from the guide is an error that names it."""
    with pytest.raises(InvalidError) as caught:
        pbx.send({"type": 30011, "msg": msg})
    assert set(caught.value.errors) <= {"msg", "call_id", "members"}


def test_signature() -> None:
    """The signature is the base64 of the body's HMAC-SHA256 with the secret."""
    body = b'{"type":30011}'
    good = "esq0sX8nhJwBcr+08icT4fh/BkMibmGhxq6AoeAecR8="
    assert not is_signed(body, good, "other")
    assert not is_signed(body, "", "secret")
    assert not is_signed(body, "\ud800é", "secret")
    assert is_signed(body, good, "secret"), "made by: openssl dgst -sha256 -hmac secret -binary"
