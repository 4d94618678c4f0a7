"""Kazoo's channel webhooks, with the example of its documents."""

import pytest

from callevents.enums import Format
from tests.vendors.reading import Pbx, vary

#: From the page on channel events, shortened.
INBOUND = {
    "account_id": "91eb05e5c68d7ca05e7618b6821d2d16",
    "authorizing_id": "7f2b66a620cf9523d349cc5de8f21f37",
    "authorizing_type": "device",
    "call_direction": "inbound",
    "call_forwarded": False,
    "call_id": "NDlkNGI3OTZlMDgzNWQxNGYxNTA3NjQ4NDZjNDFkOTc",
    "callee_id_name": "Caller Test",
    "callee_id_number": "+15556783945",
    "caller_id_name": "Test Man",
    "caller_id_number": "+15556783900",
    "custom_channel_vars": {},
    "from": "user_ab12@matrix.test.com",
    "other_leg_call_id": "af1e1e12f1bcf519a96f2235ab8eeec4",
    "request": "+15556783945@matrix.test.com",
    "to": "+15556783945@matrix.test.com",
    "timestamp": 63962622426,
}
OUTBOUND = {
    **INBOUND,
    "call_direction": "outbound",
    "call_id": "af1e1e12f1bcf519a96f2235ab8eeec4",
    "other_leg_call_id": INBOUND["call_id"],
    "callee_id_number": "1002",
    "to": "user_cd34@matrix.test.com",
}
#: Valid messages, which the fuzz tests change.
EXAMPLES = vary(
    "hook_event",
    ("channel_create", "channel_answer", "channel_bridge", "channel_destroy"),
    INBOUND,
    OUTBOUND,
)


@pytest.fixture
def pbx() -> Pbx:
    """A Kazoo."""
    return Pbx(Format.KAZOO)


def test_call(pbx: Pbx) -> None:
    """The hooks of a call's two legs are six events of one call; extensions are SIP users."""
    for hook in ("channel_create", "channel_answer", "channel_destroy"):
        for leg in (INBOUND, OUTBOUND):
            pbx.send({**leg, "hook_event": hook, "hangup_cause": "NORMAL_CLEARING"})
    events = [(one.event_type.slug, one.extension, one.peer) for one in pbx.reports]
    assert events == [
        ("dial-out", "user_ab12", "+15556783945"),
        ("dial-in", "user_cd34", "+15556783900"),
        ("answer-out", "user_ab12", "+15556783945"),
        ("answer-in", "user_cd34", "+15556783900"),
        ("hangup", "user_ab12", "+15556783945"),
        ("hangup", "user_cd34", "+15556783900"),
    ]
    assert {one.call_id for one in pbx.reports} == {INBOUND["call_id"]}
    assert {one.cause for one in pbx.reports[-2:]} == {16}
    assert pbx.reports[0].at is not None
    assert pbx.reports[0].at.isoformat() == "2026-11-23T03:07:06+00:00"


def test_as_a_form(pbx: Pbx) -> None:
    """The default is a form, whose values are texts."""
    form = {name: str(value) for name, value in INBOUND.items()}
    assert len(pbx.send(form, {"hook_event": "channel_create"})) == 1


def test_ignored(pbx: Pbx) -> None:
    """A carrier's leg and a bridge are ignored."""
    carrier = {**INBOUND, "authorizing_type": "resource", "hook_event": "channel_create"}
    assert pbx.send(carrier) == []
    assert "a carrier's" in pbx.ignored
    assert pbx.send({**INBOUND, "hook_event": "channel_bridge"}) == []
    assert "none of the five" in pbx.ignored
