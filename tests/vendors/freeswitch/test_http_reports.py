"""FreeSWITCH's hooks and call records, as FreeSWITCH 1.10.12 has sent them."""

import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from callevents.enums import Format
from tests.vendors.reading import Pbx, vary

TRACES = Path(__file__).parents[2] / "traces" / "freeswitch"
#: A request of a hook in the dialplan, without its event.
HOOK = {"ext": "102", "peer": "101", "leg": "l", "call": "c", "at": "1772359200250000"}


def read_records(name: str) -> list[dict[str, Any]]:
    """Return the call records of a recording, in the order in which they came."""
    text = gzip.decompress((TRACES.parent / f"{name}.cdr-posts.txt.gz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


#: Valid messages, which the fuzz tests change.
EXAMPLES = [
    *read_records("f01_internal_answered_caller_hangs_up"),
    *read_records("f04_internal_busy"),
    *vary("event", ("dial-in", "dial-out", "answer-in", "hangup"), HOOK),
]


@pytest.fixture
def pbx() -> Pbx:
    """A FreeSWITCH."""
    return Pbx(Format.FREESWITCH)


def test_hooks(pbx: Pbx) -> None:
    """The recorded requests of a dialplan's hooks give the six events of the call."""
    lines = (TRACES / "f40_dialplan_curl_hooks.hooks.txt").read_text().splitlines()
    events = []
    for line in lines:
        found = re.search(r"GET (\S+) ", line)
        assert found
        events += pbx.events_of(dict(parse_qsl(urlsplit(found[1]).query)))
    assert events == [
        ("dial-out", "101", "102"),
        ("dial-in", "102", "101"),
        ("answer-in", "102", "101"),
        ("answer-out", "101", "102"),
        ("hangup", "102", "101"),
        ("hangup", "101", "102"),
    ]
    assert {one.call_id for one in pbx.reports} == {"54608b06-bdb7-4bb1-879e-e446563f95c5"}


@pytest.mark.parametrize(
    ("name", "cause", "duration"),
    [("f01_internal_answered_caller_hangs_up", 16, 1), ("f04_internal_busy", 17, 0)],
)
def test_records(pbx: Pbx, name: str, cause: int, duration: int) -> None:
    """The recorded records of both legs are hangups of one call, with cause and duration."""
    for record in read_records(name):
        pbx.send(record, {"uuid": "of the query"})
    ends = {one.extension: one for one in pbx.reports}
    assert ends.keys() == {"101", "102"}
    for number, peer in (("101", "102"), ("102", "101")):
        end = ends[number]
        assert (end.event_type.slug, end.peer, end.cause) == ("hangup", peer, cause)
        assert end.duration_seconds == duration
        assert end.at is not None
    assert ends["101"].call_id == ends["102"].call_id == ends["101"].leg_id
    assert ends["101"].caller_extension == "101"
    assert ends["102"].called_extension == "102"


def test_hook_and_record_of_a_leg_are_one_hangup(pbx: Pbx) -> None:
    """A hook and a record of the same leg are one hangup."""
    record = read_records("f04_internal_busy")[0]
    leg = record["variables"]["uuid"]
    assert pbx.send({"event": "hangup", "ext": "102", "leg": leg, "call": "c", "cause": "17"})
    assert pbx.send(record) == []


def test_legs_that_are_no_extensions(pbx: Pbx) -> None:
    """A trunk's leg, and a call without another party, are ignored with the reason."""
    record = read_records("f01_internal_answered_caller_hangs_up")[0]
    variables = {
        name: value
        for name, value in record["variables"].items()
        if name not in {"originated_legs", "last_bridge_to", "bridge_uuid"}
    }
    assert pbx.send({**record, "variables": variables}) == []
    assert pbx.ignored == "This call record is of a call without another party."
    del variables["presence_id"]
    assert pbx.send({**record, "variables": variables}) == []
    assert "no extension" in pbx.ignored


def test_domains_and_other_words(pbx: Pbx) -> None:
    """A user may have its domain; an unknown event is ignored."""
    [report] = pbx.send({"event": "dial-in", "ext": "102@pbx.local", "peer": "sip:101@pbx.local"})
    assert (report.extension, report.peer) == ("102", "101")
    assert pbx.send({"event": "media", "ext": "102"}) == []
