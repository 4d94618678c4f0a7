"""Any message in any format gives reports that can be stored, or a reason.

Hypothesis generates the examples and minimizes failing ones. `make fuzz` runs a million, faster.
"""

import json
import os
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callevents.enums import EventType, Format
from callevents.errors import InvalidError
from callevents.vendors.message import Message
from callevents.vendors.registry import READERS
from tests.fuzz.checks import read_message
from tests.fuzz.examples import GOOD, TEXTS
from tests.vendors import test_sipgate, test_yeastar

fuzz = settings(
    max_examples=int(os.environ.get("CALLEVENTS_FUZZ_EXAMPLES", "60")),
    suppress_health_check=[HealthCheck.too_slow],
)
WORDS = [
    *("dial-in", "invite", "ringing", "dialog_failed", "30011", "call_ended", "channel_destroy"),
    *("newCall", "answer", "hangup", "in", "out", "inbound", "completed", "established", "BYE"),
    *("incoming", "<unknown>", "", " ", "\x00", "\ud800", "\u0661", "9" * 400, "sip:@", "<>", "%"),
    *("client:", "sip:a%00b@c", "1e400", "-1", "99999999999999999", "T", "1:2", '{"a":', "[]"),
]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**60, max_value=10**70),
    st.floats(),
    st.text(max_size=300),
    st.sampled_from(WORDS),
)
documents = st.recursive(
    values,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)


class EarlierEvent:
    """An earlier event that the messages may refer to."""

    def __init__(self, event_type: EventType, extension: str) -> None:
        self.event_type = event_type
        self.extension = extension
        self.leg_id = self.peer = ""


EARLIER_EVENTS = [
    EarlierEvent(event, extension) for extension in ("101", "w0", "") for event in EventType
]


def check(format_: Format, message: Message) -> None:
    """Check that the result is bounded, and that each report can be stored or breaks a rule."""
    with suppress(InvalidError):
        read_message(format_, message, lambda _call_id: EARLIER_EVENTS)


@pytest.mark.parametrize("format_", READERS)
@fuzz
@given(message=st.dictionaries(st.text(max_size=20), documents, max_size=10))
def test_anything(format_: Format, message: dict[str, object]) -> None:
    """Any object at all is read."""
    check(format_, Message.of(message))


@pytest.mark.parametrize("format_", READERS)
@fuzz
@given(data=st.data())
def test_malformed(format_: Format, data: st.DataObject) -> None:
    """A good message in which some values are something else is read."""
    message = json.loads(data.draw(st.sampled_from(TEXTS[format_])))
    for _ in range(data.draw(st.integers(1, 4))):
        part = message
        # Down to some depth, one object or the other.
        while inner := [one for one in part.values() if isinstance(one, dict) and one]:
            if data.draw(st.booleans()):
                break
            part = data.draw(st.sampled_from(inner))
        name = data.draw(st.sampled_from(sorted(part)))
        if data.draw(st.booleans()):
            part[name] = data.draw(documents)
        else:
            del part[name]
        if not part:
            break
    check(format_, Message.of(message))


@fuzz
@given(call=st.dictionaries(st.sampled_from(["call_id", "members", "x"]), documents, max_size=3))
def test_snapshots(call: dict[str, object]) -> None:
    """The text of JSON within a message of Yeastar may have anything in it."""
    try:
        text = json.dumps(call)
    except ValueError:
        return
    check(Format.YEASTAR, Message.of({"type": 30011, "msg": text}))


def test_good_messages_make_reports() -> None:
    """Most of the examples make reports, so that changing them is worthwhile."""
    assert GOOD.keys() - {Format.GENERIC} == READERS.keys()
    for format_, read in READERS.items():
        readings = [read(Message.of(message), lambda _call_id: ()) for message in GOOD[format_]]
        assert sum(bool(reading.reports) for reading in readings) * 2 >= len(readings), format_


def test_huge_messages_are_bounded() -> None:
    """A message with a thousand users or members gives a bounded number of reports."""
    users = {**test_sipgate.NEW_CALL, "userId[]": [f"w{number}" for number in range(1000)]}
    check(Format.SIPGATE, Message.of(users))
    members = [test_yeastar.extension(str(number), "RING") for number in range(1000)]
    check(Format.YEASTAR, Message.of(test_yeastar.snapshot(*members)))
