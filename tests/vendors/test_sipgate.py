"""sipgate.io's push API, with the examples of its reference."""

from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest

from callevents.enums import Format
from callevents.vendors import sipgate
from tests.vendors.reading import Pbx, vary


def form(text: str) -> dict[str, object]:
    """Return the fields of a form as the ingest route reads them."""
    return {name: v if len(v) > 1 else v[0] for name, v in parse_qs(text).items()}


#: The request that the reference gives to try it with.
NEW_CALL = form(
    "event=newCall&from=492111234567&to=4915791234567&direction=in&callId=123456"
    "&user[]=Alice&user[]=Bob&userId[]=w0&userId[]=w1&fullUserId[]=1234567w0&fullUserId[]=1234567w1"
)
OUT = {"from": "492111234567", "to": "4915791234567", "direction": "out", "callId": "7"}
#: Valid messages, which the fuzz tests change.
EXAMPLES = [
    NEW_CALL,
    *vary("event", ("newCall", "answer", "hangup"), {**OUT, "user[]": "Ana"}),
]


@pytest.fixture
def pbx() -> Pbx:
    """A sipgate.io."""
    return Pbx(Format.SIPGATE)


def test_group_call(pbx: Pbx) -> None:
    """All phones of a group ring; those of whom another one is faster are hung up."""
    assert pbx.events_of(NEW_CALL) == [
        ("dial-in", "w0", "492111234567"),
        ("dial-in", "w1", "492111234567"),
    ]
    call = {**OUT, "direction": "in", "callId": "123456"}
    answer = {**call, "event": "answer", "user": "Bob", "userId[]": "w1", "user[]": "Bob"}
    assert pbx.events_of(answer) == [
        ("answer-in", "w1", "492111234567"),
        ("hangup", "w0", "492111234567"),
    ]
    assert pbx.reports[-1].cause == 26
    assert pbx.events_of({**call, "event": "hangup", "cause": "normalClearing"}) == [
        ("hangup", "w1", "492111234567")
    ]
    assert pbx.send({**call, "event": "hangup", "cause": "normalClearing"}) == []


@pytest.mark.parametrize(("word", "cause"), [("busy", 17), ("cancel", 127), ("what", None)])
def test_outgoing(pbx: Pbx, word: str, cause: int | None) -> None:
    """A user without an ID is reported by name; the hangup is of the users in the call."""
    assert pbx.events_of({**OUT, "event": "newCall", "user[]": "Alice"}) == [
        ("dial-out", "Alice", "4915791234567")
    ]
    assert pbx.events_of({**OUT, "event": "answer", "user[]": "Alice"}) == [
        ("answer-out", "Alice", "4915791234567")
    ]
    [end] = pbx.send({**OUT, "event": "hangup", "cause": word})
    assert (end.extension, end.cause) == ("Alice", cause)


def test_ignored(pbx: Pbx) -> None:
    """Key tones, and hangups of unknown calls, are ignored."""
    assert pbx.send({"event": "dtmf", "dtmf": "1", "callId": "7"}) == []
    assert pbx.send({**OUT, "event": "hangup"}) == []
    assert pbx.ignored == "There is no earlier event of this call."
    assert pbx.send({**OUT, "event": "newCall"}) == []


def test_reply_asks_for_answer_and_hangup() -> None:
    """The answer is XML that names this address twice."""
    document = ET.fromstring(sipgate.write_reply("https://a.example/ingest/x", 'cet_a"<&'))
    assert document.tag == "Response"
    url = "https://a.example/ingest/x?token=cet_a%22%3C%26"
    assert document.attrib == {"onAnswer": url, "onHangup": url}
