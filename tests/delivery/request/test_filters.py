"""The filters of placeholders: what each makes of a value, and that none fails."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.request.filters import FILTERS, MAX_VALUE_LENGTH, Lookups
from callevents.delivery.request.numbers import NumberPlan
from callevents.delivery.request.placeholders import Context, compile_text, find_problem

LOOKUPS = Lookups(
    maps={"direction": {"IN": "in", "OUT": "out"}, "cause": {"BUSY": "busy", "*": "other"}},
    users={"101": "ana@example.com"},
    plan=NumberPlan("RO"),
)
MOMENT = "2026-03-01T22:05:09.250Z"


def fill(placeholder: str, value: str) -> str:
    """Return the placeholder's text for a value of CallID."""
    source = f"{{CallID{placeholder}}}"
    assert find_problem(source) == ""
    [part] = compile_text(source)
    assert not isinstance(part, str)
    return part.fill(Context({"CallID": value}, LOOKUPS))


@pytest.mark.parametrize(
    ("filters", "value", "expected"),
    [
        ("", "a", "a"),
        ("|e164", "0721 000 001", "+40721000001"),
        ("|e164", "anonymous", "anonymous"),
        ("|unix", MOMENT, "1772402709"),
        ("|unix_ms", MOMENT, "1772402709250"),
        ("|unix", "", ""),
        ("|unix", "yesterday", ""),
        ("|date:%Y-%m-%d %H:%M:%S", MOMENT, "2026-03-01 22:05:09"),
        ("|date:%d.%m.%y %I:%M %p %a %A %b %B %j %f %%", MOMENT,
         "01.03.26 10:05 PM Sun Sunday Mar March 060 250000 %"),
        ("|date:%H", "", ""),
        ("|in:Europe/Bucharest", MOMENT, "2026-03-02T00:05:09.250+02:00"),
        ("|in:Europe/Bucharest|date:%Y-%m-%dT%H:%M:%S%:z %z %Z", MOMENT,
         "2026-03-02T00:05:09+02:00 +0200 EET"),
        ("|in:America/St_Johns|date:%:z", MOMENT, "-03:30"),
        ("|in:Europe/Bucharest|unix", MOMENT, "1772402709"),
        ("|in:Europe/Bucharest", "0001-01-01T00:00:00Z", "0001-01-01T01:44:24.000+01:44:24"),
        ("|in:America/New_York", "0001-01-01T00:00:00Z", ""),
        ("|minutes", "95", "1"),
        ("|minutes:1", "95", "1.5"),
        ("|minutes:rest", "3795", "3"),
        ("|hours", "7199", "1"),
        ("|hours:2", "5400", "1.50"),
        ("|hours", "-5", ""),
        ("|ms", "42", "42000"),
        ("|ms", "x", ""),
        ("|lower", "BUSY É", "busy é"),
        ("|upper", "busy é", "BUSY É"),
        ("|map:direction", "IN", "in"),
        ("|map:direction", "", ""),
        ("|map:direction", "ELSE", "ELSE"),
        ("|map:cause", "ELSE", "other"),
        ("|map:none", "IN", "IN"),
        ("|user", "101", "ana@example.com"),
        ("|user", "102", ""),
        ("|user|or:nobody", "102", "nobody"),
        ("|or:un known: x", "", "un known: x"),
        ("|or:x", "a", "a"),
        ("|number", "42", "42"),
        ("|number", "007", "7"),
        ("|number", "-0.50", "-0.50"),
        ("|number", "+40721000001", ""),
        ("|number", "1e5", ""),
        ("|number", "٤٢", ""),
        ("|number", "1" * 16, ""),
        ("|json", 'a"b', '"a\\"b"'),
        ("|json", "", ""),
        ("|html", '<b>&"', '&lt;b&gt;&amp;"'),
    ],
)  # fmt: skip
def test_filters(filters: str, value: str, expected: str) -> None:
    """Each filter converts what it can, and leaves or empties the rest."""
    assert fill(filters, value) == expected


def test_every_filter_is_tested() -> None:
    """The list above has all filters."""
    [mark] = test_filters.pytestmark  # type: ignore[attr-defined]
    tested = {step.partition(":")[0] for case in mark.args[1] for step in case[0].split("|")[1:]}
    assert tested == set(FILTERS)


VALID = [
    *("|e164", "|unix", "|unix_ms", "|date:%Y-%m-%d %H:%M:%S %A %:z", "|in:Europe/Bucharest"),
    *("|minutes:2", "|hours:rest", "|ms", "|lower", "|upper", "|map:cause", "|user", "|or:x"),
    *("|number", "|html"),
]
hostile = (
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.datetimes().map(datetime.isoformat)
    | st.integers().map(str)
    | st.sampled_from(["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "9" * 10_000])
)


@given(hostile, st.lists(st.sampled_from(VALID), max_size=7), st.booleans())
def test_no_value_makes_a_filter_fail(value: str, filters: list[str], is_json: bool) -> None:
    """Whatever the value and the filters are, there is a text, and with json it is JSON."""
    found = fill("".join(filters) + ("|json" if is_json else ""), value)
    if is_json:
        assert found == "" or isinstance(json.loads(found), str)
    else:
        assert len(found) <= MAX_VALUE_LENGTH


def test_long_values_are_cut() -> None:
    """A value has at most 10,000 characters, also in JSON, where its quotes stay."""
    assert fill("", "x" * 20_000) == "x" * MAX_VALUE_LENGTH
    assert json.loads(fill("|json", '"' * 20_000)) == '"' * MAX_VALUE_LENGTH
    assert len(fill("|html", "<" * 20_000)) == MAX_VALUE_LENGTH


@pytest.mark.parametrize("zone", ["x" * 5000, "Europe", "../UTC", "", "No/Zone"])
def test_a_value_of_the_receiver_that_is_no_zone(zone: str) -> None:
    """It is looked up in the list of zones, and never as the name of a file."""
    known = {"EventTime": "2026-11-29T10:00:00.000Z"}
    context = Context(known, Lookups({}, {}, receiver={"zone": zone}))
    [part] = compile_text("{EventTime|in:receiver.zone|date:%H}")
    assert not isinstance(part, str)
    assert part.fill(context) == ""
