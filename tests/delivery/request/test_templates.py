"""Bodies from templates: valid whatever the values are, with each value in its place only."""

import json
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.request.filters import Lookups
from callevents.delivery.request.placeholders import VALUE_NAMES, Context
from callevents.delivery.request.templates import fill_body, find_json_problem, place_of

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
#: What a caller may put into a name.
values = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    | st.sampled_from(
        [
            *"\"\\{}[]:,&=<>'/\r\n\0\t%|",
            *("\u2028", "\U0001f600", '"}', "\\u0022", "null", "{CallID}", "{Duration|number}"),
            *("]]>", "x" * 10_000),
        ]
    ),
    max_size=6,
).map("".join)


def fill(text: str, content_type: str = JSON, **known: str) -> str:
    """Return the body with these values, all others empty."""
    return fill_body(text, content_type, Context({**dict.fromkeys(VALUE_NAMES, ""), **known}))


@given(values, values, values)
def test_json_stays_what_the_template_says(first: str, second: str, third: str) -> None:
    """The body is valid JSON, and each field has its value and nothing else."""
    text = (
        '{"a": "{CallerIDName}", "b": ["x {CallID}\\"{CallerIDName}\\\\", 1],\n'
        ' "c": {CalledDID|json}, "d": {CalledDID|number}, "e": {Duration|number}}'
    )
    assert find_json_problem(text) == ""
    body = json.loads(fill(text, CallerIDName=first, CallID=second, CalledDID=third, Duration="7"))
    cut = {name: value[:10_000] for name, value in zip("fst", (first, second, third), strict=True)}
    assert list(body) == ["a", "b", "c", "d", "e"]
    assert body["a"] == cut["f"]
    assert body["b"] == [f'x {cut["s"]}"{cut["f"]}\\', 1]
    assert body["c"] == (cut["t"] or None)
    assert body["d"] is None or isinstance(body["d"], int | float)
    assert body["e"] == 7


pieces = st.sampled_from(
    [
        *('{}[]:,"\\ \n'),
        *('"a"', "1", "null", "-", ".5", "\\u00", '"a":', "{CallerIDName}", "{CallID|json}"),
        *("{Duration|number}", "{CallID|number}", '{"a": "{CallerIDName}"}'),
    ]
)


@given(st.lists(pieces, max_size=8).map("".join), values)
def test_what_is_accepted_is_valid_for_every_value(text: str, value: str) -> None:
    """A template that passes the check is valid JSON with any values."""
    if find_json_problem(text) == "":
        json.loads(fill(text, CallerIDName=value, CallID=value, Duration=value))
        json.loads(fill(text, CallerIDName=value, CallID="", Duration="42"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": {CallID}}', "Line 1: {CallID} stands without quotes."),
        ('{\n"a": {Duration|ms}}', "Line 2: {Duration|ms} stands without quotes."),
        ('{"a": "{CallID|json}"}', "Line 1: {CallID|json} has quotes of its own."),
        ('{"a": 1{CallID|number}}', "Not valid JSON in line 1, near {CallID|number}: "),
        ('{"a": -{CallID|number}}', "Not valid JSON in line 1, near {CallID|number}: "),
        ('{"a": "\\{CallID}"}', "Not valid JSON in line 1, near {CallID}: Invalid \\escape"),
        ('{"a": "\\u00{CallID}"}', "Not valid JSON in line 1, near {CallID}: Invalid \\uXXXX"),
        ('{"{CallID}": 1}', "The name '{…}' of a field has a placeholder."),
        ("{{CallID|json}: 1}", "Not valid JSON in line 1, near {CallID|json}: "),
        ('{"a": "{CallID}",\n\n}', "Not valid JSON in line 3: "),
        ('{"a": NaN}', "NaN is not valid JSON."),
        ("", "Not valid JSON in line 1: "),
        ("[" * 10_000, "The template is nested too deeply."),
        ("1" * 10_000, "A number is too long."),
    ],
)
def test_json_that_could_break_is_refused(text: str, problem: str) -> None:
    """The error names the line, the placeholder and what to do."""
    assert find_json_problem(text).startswith(problem)


@given(values, values)
def test_forms(first: str, second: str) -> None:
    """A form has the template's names, each with its value; line breaks are for reading only."""
    text = "\n name={CallerIDName}\n  &call[id]={CallID}&x=1\n"
    body = fill(text, FORM, CallerIDName=first, CallID=second)
    expected = [("name", first[:10_000]), ("call[id]", second[:10_000]), ("x", "1")]
    assert parse_qsl(body, keep_blank_values=True) == expected


@given(values, values)
def test_xml(first: str, second: str) -> None:
    """XML is well-formed, and values are neither elements nor attributes."""
    text = "<call id=\"{CallID}\" a='{CallID}'><name>{CallerIDName}</name></call>"
    root = ElementTree.fromstring(fill(text, "text/xml", CallerIDName=first, CallID=second))
    assert (root.tag, sorted(root.attrib), [one.tag for one in root]) == (
        "call",
        ["a", "id"],
        ["name"],
    )


@given(values)
def test_text(value: str) -> None:
    """A value adds no line to a text."""
    body = fill("From: {CallerIDName}\nTo: {CallID}", "text/plain", CallerIDName=value)
    assert len(body.splitlines()) == 2
    assert body.endswith("\nTo: ")


@pytest.mark.parametrize(
    ("content_type", "place"),
    [
        ("text/json", "json"),
        ("application/x-json; charset=utf-8", "json"),
        ("application/json", "json"),
        ("Application/vnd.api+JSON; charset=utf-8", "json"),
        (FORM, "form"),
        ("text/xml; charset=utf-8", "xml"),
        ("application/soap+xml", "xml"),
        ("text/plain", "text"),
        ("application/x-ndjson", "text"),
    ],
)
def test_content_types(content_type: str, place: str) -> None:
    """The content type decides how values are escaped."""
    assert place_of(content_type) == place


def test_filters_in_json() -> None:
    """Maps, users and numbers work in bodies too."""
    context = Context(
        {"CallFlow": "IN", "Extension": "101", "receiver.token": "s3cret", "answer.ID": '5"'},
        Lookups({"direction": {"IN": "in"}}, {"101": "7"}),
    )
    text = (
        '{"d": "{CallFlow|map:direction}", "u": {Extension|user|number}, '
        '"t": "{receiver.token}", "i": {answer.ID|json}, "n": {answer.OTHER|json}}'
    )
    body: dict[str, Any] = json.loads(fill_body(text, JSON, context))
    assert body == {"d": "in", "u": 7, "t": "s3cret", "i": '5"', "n": None}


def test_a_form_on_several_lines() -> None:
    """Line breaks and the blanks around them are not sent; blanks within a line are."""
    text = "\n  a={CallerIDName}&  \r\n\t&b=x y\n" + " " * 1000 + "z"
    assert fill(text, FORM, CallerIDName="é&") == "a=%C3%A9%26&&b=x yz"
