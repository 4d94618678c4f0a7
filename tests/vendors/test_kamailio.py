"""Kamailio's reports, as Kamailio 5.6.3 has sent them for calls of sipp."""

import pytest

from callevents.enums import Format
from callevents.errors import InvalidError
from tests.vendors.reading import Pbx, vary

CALL = {"from": "101", "to": "102", "callid": "1-28084@127.0.0.1", "dir": "0"}
#: Valid messages, which the fuzz tests change.
EXAMPLES = vary(
    "event",
    ("invite", "ringing", "answer", "bye", "dialog_failed", "cancel"),
    {**CALL, "at": "1"},
)


@pytest.fixture
def pbx() -> Pbx:
    """A Kamailio."""
    return Pbx(Format.KAMAILIO)


def test_answered(pbx: Pbx) -> None:
    """An answered call gives six events, and a second 180 no other."""
    assert pbx.events_of(CALL, {"event": "invite"}) == [("dial-out", "101", "102")]
    assert pbx.events_of(CALL, {"event": "ringing", "code": "180"}) == [("dial-in", "102", "101")]
    assert pbx.events_of(CALL, {"event": "ringing", "code": "180"}) == []
    assert pbx.events_of(CALL, {"event": "dialog_start"}) == [
        ("answer-out", "101", "102"),
        ("answer-in", "102", "101"),
    ]
    ends = pbx.send(CALL, {"event": "dialog_end"})
    assert [(one.extension, one.cause) for one in ends] == [("101", 16), ("102", 16)]
    assert {one.call_id for one in pbx.reports} == {CALL["callid"]}
    assert len({one.leg_id for one in pbx.reports}) == 2


def test_busy(pbx: Pbx) -> None:
    """A busy phone has not rung, so only the caller gets a hangup, with the cause of the 486."""
    pbx.send(CALL, {"event": "invite"})
    assert pbx.events_of(CALL, {"event": "failed_reply", "code": "486"}) == []
    assert "none of the five call events" in pbx.ignored
    [end] = pbx.send(CALL, {"event": "dialog_failed", "code": "486"})
    assert (end.extension, end.cause) == ("101", 17)


@pytest.mark.parametrize(
    ("code", "cause"),
    [("487", 127), ("480", 18), ("404", 1), ("603", 21), ("503", 34), ("499", None), ("", None)],
)
def test_failed_after_ringing(pbx: Pbx, code: str, cause: int | None) -> None:
    """A phone that rang gets a hangup too; the cause follows from the response code."""
    pbx.send(CALL, {"event": "invite"})
    pbx.send(CALL, {"event": "ringing"})
    ends = pbx.send(CALL, {"event": "dialog_failed", "code": code})
    assert [(one.extension, one.cause) for one in ends] == [("101", cause), ("102", cause)]


@pytest.mark.parametrize(("local", "extensions"), [("from", ["101"]), ("to", ["102"])])
def test_trunk_at_one_end(pbx: Pbx, local: str, extensions: list[str]) -> None:
    """With a trunk at one end, only the other one is an extension."""
    for event in ("invite", "ringing", "dialog_start", "dialog_end"):
        pbx.send(CALL, {"event": event, "local": local})
    assert list(dict.fromkeys(one.extension for one in pbx.reports)) == extensions
    assert len(pbx.reports) == 3


def test_addresses_and_times(pbx: Pbx) -> None:
    """Addresses may be whole SIP URIs, and the time seconds since 1970."""
    call = {"from": "sip:101@a.example;x=1", "to": '"Ana" <sip:102@b>', "callid": "c"}
    [report] = pbx.send(call, {"event": "invite", "at": "1795403226.533"})
    assert (report.extension, report.peer) == ("101", "102")
    assert report.at is not None
    assert report.at.isoformat(timespec="milliseconds") == "2026-11-23T03:07:06.533+00:00"


@pytest.mark.parametrize("missing", ["from", "to", "callid", "event"])
def test_missing(pbx: Pbx, missing: str) -> None:
    """A missing field is named in the error."""
    message = {**CALL, "event": "invite"}
    del message[missing]
    with pytest.raises(InvalidError) as caught:
        pbx.send(message)
    assert list(caught.value.errors) == [missing]
