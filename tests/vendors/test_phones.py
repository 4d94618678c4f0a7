"""Action URLs of desk phones, with variables filled in as in their guides."""

import pytest

from callevents.enums import Format
from tests.vendors.reading import Pbx, vary

#: Yealink: $active_user, $remote, $display_remote, $call_id.
YEALINK = {"active_user": "101", "remote": "sip:102@10.2.20.160", "call_id": "0_1234@10.2.20.160"}
#: Grandstream has no variable for the call.
GRANDSTREAM = {"active_user": "101", "remote": "102", "display_remote": "Ana"}
#: Snom: $local is the SIP URI of the callee.
SNOM = {"local": "sip:101@pbx", "remote": "sip:102@pbx;user=phone", "call-id": "3c267-x"}
#: Valid messages, which the fuzz tests change.
EXAMPLES = vary(
    "event",
    ("incoming", "outgoing", "established", "answered", "terminated", "missed", "dial-in"),
    YEALINK,
    GRANDSTREAM,
    SNOM,
)


@pytest.fixture
def pbx() -> Pbx:
    """Phones."""
    return Pbx(Format.PHONES)


@pytest.mark.parametrize("phone", [YEALINK, GRANDSTREAM, SNOM])
@pytest.mark.parametrize(
    ("first", "dial", "answer"),
    [("incoming", "dial-in", "answer-in"), ("outgoing", "dial-out", "answer-out")],
)
def test_call(pbx: Pbx, phone: dict[str, str], first: str, dial: str, answer: str) -> None:
    """The direction of the call decides between answer-in and answer-out for 'established'."""
    assert pbx.events_of(phone, {"event": first}) == [(dial, "101", "102")]
    assert pbx.events_of(phone, {"event": "established"}) == [(answer, "101", "102")]
    assert pbx.events_of(phone, {"event": "terminated"}) == [("hangup", "101", "102")]
    assert len({one.call_id for one in pbx.reports}) == 1


def test_newest_call_of_a_pair_decides(pbx: Pbx) -> None:
    """Without a call ID, the latest call with the same party counts."""
    for first in ("incoming", "outgoing"):
        pbx.send(GRANDSTREAM, {"event": first})
    assert pbx.send(GRANDSTREAM, {"event": "connected"})[0].event_type.slug == "answer-out"


def test_established_alone(pbx: Pbx) -> None:
    """Without an earlier event the direction is unknown, and the reason says so."""
    assert pbx.send(YEALINK, {"event": "established"}) == []
    assert pbx.ignored == (
        "'established' came without an earlier 'incoming' or 'outgoing' of the same call, so the "
        "direction of the call is unknown."
    )


@pytest.mark.parametrize(("event", "cause"), [("missed", 19), ("rejected", 21)])
def test_ends_that_tell_why(pbx: Pbx, event: str, cause: int) -> None:
    """A missed and a rejected call have their causes."""
    [end] = pbx.send(YEALINK, {"event": event})
    assert (end.event_type.slug, end.cause) == ("hangup", cause)


def test_extension_of_the_url(pbx: Pbx) -> None:
    """ext= in the URL takes precedence over the phone's extension; other events are ignored."""
    assert pbx.events_of(YEALINK, {"event": "incoming", "ext": "0003*210"}) == [
        ("dial-in", "0003*210", "102")
    ]
    assert pbx.send(YEALINK, {"event": "dnd_on"}) == []
