"""Placeholders: known names, replacement, and that values never change a URL's structure."""

from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.request.fill import fill_header, fill_url
from callevents.delivery.request.placeholders import VALUE_NAMES, Context, find_problem

EMPTY = Context(dict.fromkeys(VALUE_NAMES, ""))
#: Whatever a caller may put into a name, and above all what means something in a URL.
values = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    | st.sampled_from([*"/\\.?#%&=+;:@{}[]\r\n\0 \t\"'<>", "CallID", "%2e", "%2F", "..", "{PBX}"]),
    max_size=6,
).map("".join)


def fill(url: str, **known: str) -> str:
    """Return the URL with these values, all others empty."""
    return fill_url(url, with_values(**known))


def with_values(**known: str) -> Context:
    """Return a context with these values, all others empty."""
    return Context({**EMPTY.values, **known})


def test_unknown_names_are_told_with_the_known_ones() -> None:
    """The error names the unknown placeholder, the nearest known one, and all of them."""
    known = ", ".join(f"{{{name}}}" for name in VALUE_NAMES)
    for wrong, near in (
        ("{calleridnum}", "CallerIDNum"),
        ("{CallerID-Num}", "CallerIDNum"),
        ("{callid|lower}", "CallID"),
        ("{talk_seconds}", "TalkSeconds"),
        ("{0}", ""),
        ("{a.b}", ""),
    ):
        hint = f" Did you mean {near}?" if near else ""
        name = wrong.strip("{}").partition("|")[0]
        expected = f"Unknown placeholder {{{name}}}.{hint} Available: {known}."
        assert find_problem(f"http://h/{{CallID}}?x={wrong}") == expected
    assert find_problem("".join(f"{{{name}}}" for name in VALUE_NAMES)) == ""
    assert find_problem("{receiver.token} {answer.CALL_ID}") == ""
    assert find_problem("{receiver.} {answer.1}").startswith("Unknown placeholder {receiver.}.")


@pytest.mark.parametrize(
    ("placeholder", "problem"),
    [
        ("{CallID|trim}", "Unknown filter 'trim'. Available: e164, "),
        ("{CallerIDNum|E164}", "Unknown filter 'E164'. Did you mean e164? Available: "),
        ("{EventTime|date}", "Filter date: Write a format after the colon"),
        ("{EventTime|date:%Q}", "Filter date: Unknown directive '%Q'. Available: %Y %y "),
        ("{EventTime|date:100%}", "Filter date: Unknown directive '%'."),
        ("{EventTime|in:Bucharest}", "Filter in: Write a time zone after the colon"),
        ("{Duration|minutes:9}", "Filter minutes: After the colon, write `rest` or"),
        ("{CallID|lower:x}", "Filter lower: It takes no argument."),
        ("{CallID|map}", "Filter map: Write the name of a value map"),
        ("{CallID|or:}", "Filter or: Write a text after the colon."),
        ("{CallID|json|lower}", "Filter json: It must be the last one."),
        ("{CallID" + "|lower" * 9 + "}", "It can have at most 8 filters (got 9)."),
        ("{CallID|}", "Unknown filter ''. "),
    ],
)
def test_wrong_filters_are_refused(placeholder: str, problem: str) -> None:
    """The error names the placeholder, the filter and what is wrong with it."""
    found = find_problem(f"{{CallID}} {placeholder}")
    assert found.startswith(f"In the placeholder {placeholder}: {problem}")


def test_number_of_placeholders_is_limited() -> None:
    """A text has at most 200 placeholders."""
    assert find_problem("{CallID}" * 200) == ""
    assert find_problem("{CallID}" * 201) == "There can be at most 200 placeholders (got 201)."


def test_filters_in_a_url() -> None:
    """Arguments may have characters that mean something in a URL; results are escaped."""
    url = "http://h/a/{CallID|or:a/b?c#d}/x?t={EventTime|in:Europe/Bucharest|date:%H:%M %z}"
    sent = fill(url, EventTime="2026-03-01T10:00:00.250Z")
    assert sent == "http://h/a/a%2Fb%3Fc%23d/x?t=12%3A00%20%2B0200"
    assert fill("http://h/{CallID|or:..}/x") == "http://h/%252E%252E/x"


@pytest.mark.parametrize("text", ["{", "}", "{}", "}{", "{ CallID }", '{"a": 1}', "{CallID", "{é}"])
def test_other_braces_are_text(text: str) -> None:
    """Braces without a name between them are not placeholders, and stay."""
    assert find_problem(text) == ""
    assert fill_header(text, EMPTY) == text
    assert unquote(fill(f"http://h/?{text}")) == f"http://h/?{text}"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h/{CallID}", "http://h/1%2F2"),
        ("http://h/a{CallID}b/{PBX}?x={CallID}&{CallID}", "http://h/a1%2F2b/?x=1%2F2&1%2F2"),
        ("http://h/{{CallID}}", "http://h/%7B1%2F2%7D"),
        ("http://h/é%zz{CallID}%4{CallID}", "http://h/%C3%A9%25zz1%2F2%2541%2F2"),
        ("http://[::1]:8/a[1]/{CallID}", "http://[::1]:8/a[1]/1%2F2"),
    ],
)
def test_url(url: str, sent: str) -> None:
    """Values are escaped completely; the text around them stays."""
    assert fill(url, CallID="1/2") == sent


def test_one_pass() -> None:
    """A value that looks like a placeholder is a value."""
    assert unquote(fill("http://h/{CallID}", CallID="{PBX}", PBX="x")) == "http://h/{PBX}"
    assert fill_header("{CallID}", with_values(CallID="{PBX}", PBX="x")) == "{PBX}"


@pytest.mark.parametrize("value", [".", "..", "%2e%2E", "a/../../b", "..\\..", "/..", "../"])
def test_values_lead_to_no_other_folder(value: str) -> None:
    """Dots that servers would follow, after one decoding or at once, are escaped twice."""
    sent = fill("http://h/calls/{CallID}/notes", CallID=value)
    decoded = unquote(sent).replace("\\", "/").split("/")
    assert not {".", ".."} & set(decoded)
    assert decoded[3] == "calls"
    assert decoded[-1] == "notes"


def test_dots_may_not_be_completed() -> None:
    """The URL's dots and a value's dots do not make a dot segment together."""
    assert fill("http://h/a/.{CallID}/b", CallID=".") == "http://h/a/%252E%252E/b"
    assert fill("http://h/a/%2e{CallID}/b", CallID=".") == "http://h/a/%252E%252E/b"
    assert fill("http://h/a/../{CallID}", CallID="v1.2") == "http://h/a/../v1.2"


@given(values, values)
def test_structure_of_a_url_never_changes(first: str, second: str) -> None:
    """Whatever the values are, host, segments, names and other values stay what they are."""
    url = "https://u.example:81/a/{CallID}/x{PBX}/c?k={CallID}&{PBX}=1&z=2"
    parts = urlsplit(fill(url, CallID=first, PBX=second))
    assert parts.geturl().isascii()
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "u.example:81", "")
    segments = parts.path.split("/")
    assert (len(segments), segments[1], segments[4]) == (5, "a", "c")
    if not {".", ".."} & set(unquote(first).replace("\\", "/").split("/")):
        assert unquote(segments[2]) == first
    query = parse_qsl(parts.query, keep_blank_values=True)
    assert query == [("k", first), (second, "1"), ("z", "2")]


@given(values)
def test_header_stays_one_line_of_ascii(value: str) -> None:
    """A header's value has one line and only ASCII, and unescapes to the value."""
    sent = fill_header("id {CallID};", with_values(CallID=value))
    assert sent.isascii()
    assert sent.isprintable()
    assert unquote(sent) == f"id {value};"
    alone = fill_header("{CallID}", with_values(CallID=value))
    assert alone == alone.strip()
    assert unquote(alone) == value
