"""Rules of value maps and of values kept from answers, and how both are written as lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.db.models import CallAnswer
from callevents.delivery.request.option_texts import (
    format_answers,
    format_list,
    format_maps,
    parse_answers,
    parse_list,
    parse_maps,
)
from callevents.enums import AuthKind
from callevents.errors import InvalidError
from callevents.hooks.option_check import check_answers, check_value_maps
from callevents.hooks.options import Answers, Credentials, HookOptions
from callevents.hooks.validation import check_options

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,39}", fullmatch=True)
TEXTS = st.text(max_size=40).filter(lambda text: text == text.strip() and text.isprintable())
VALUES = st.dictionaries(TEXTS.filter(lambda text: text and "=" not in text), TEXTS, min_size=1)
TOKENS = st.lists(st.sampled_from(["a", "0", "=", "é", "~0", "~1", "a b", ""]), max_size=3)
POINTERS = st.lists(TOKENS.map("".join), min_size=1, max_size=4).map(
    lambda tokens: "".join(f"/{token}" for token in tokens)
)


def problem_of(action: object, *values: object) -> str:
    """Return the only message of the InvalidError that the call raises."""
    assert callable(action)
    with pytest.raises(InvalidError) as caught:
        action(*values)
    [[message]] = caught.value.errors.values()
    return str(message)


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_maps_are_lines(maps: dict[str, dict[str, str]]) -> None:
    """All maps that can be stored are the same after they were shown as lines."""
    check_value_maps(maps)
    assert parse_maps(format_maps(maps)) == maps
    assert parse_maps(format_maps(maps).replace("\n", "\r\n\r\n")) == maps


@given(st.dictionaries(NAMES.map(lambda name: name.replace("-", "_")), POINTERS, max_size=5))
def test_answers_are_lines(pointers: dict[str, str]) -> None:
    """So are the pointers of values that are kept."""
    check_answers(Answers(pointers), has_receiver=True)
    assert parse_answers(format_answers(pointers)) == pointers


def test_lists_are_lines() -> None:
    """Commas, lines and blanks separate values."""
    assert parse_list(" +40*, 101\r\n\n102 ,") == ("+40*", "101", "102")
    assert parse_list(format_list(("a b", "c"))) == ("a b", "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IN = in", "Line 1: Write it like: direction: IN = in"),
        ("direction: IN = in\n\ndirection: OUT", "Line 3: Write it like: direction: IN = in"),
        (": IN = in", "Line 1: Write it like: direction: IN = in"),
        ("a: = in", "Line 1: Write it like: direction: IN = in"),
        ("a: IN = 1\na: IN = 2", "Line 2: The map a has IN twice."),
    ],
)
def test_lines_that_are_no_maps(text: str, message: str) -> None:
    """The message names the line and shows one that would be right."""
    assert problem_of(parse_maps, text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CALL_ID", "Line 1: Write it like: CALL_ID = /result/CALL_ID"),
        ("= /a", "Line 1: Write it like: CALL_ID = /result/CALL_ID"),
        ("a = /a\na = /b", "Line 2: a is there twice."),
    ],
)
def test_lines_that_keep_nothing(text: str, message: str) -> None:
    """The message names the line and shows one that would be right."""
    assert problem_of(parse_answers, text) == message


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({f"m{number}": {"a": "b"} for number in range(21)}, "At most 20 maps (got 21)."),
        (
            {"m": {str(number): "" for number in range(201)}},
            "At most 200 values in all maps together (got 201).",
        ),
        ({"1a": {"a": "b"}}, "The name '1a' cannot be used: begin with a letter"),
        ({"m": {"": "b"}}, "The map m has a value that cannot be used: ''."),
        ({"m": {" a": "b"}}, "The map m has a value that cannot be used: ' a'."),
        ({"m": {"a=b": "b"}}, "The map m has a value that cannot be used: 'a=b'."),
        ({"m": {"a": "b\nc"}}, "The map m replaces a with a text that cannot be used."),
        ({"m": {"a": "b" * 501}}, "The map m replaces a with a text that cannot be used."),
    ],
)
def test_rules_of_maps(maps: dict[str, dict[str, str]], message: str) -> None:
    """Each broken rule has its message."""
    assert problem_of(check_value_maps, maps).startswith(message)


@pytest.mark.parametrize(
    ("pointers", "message"),
    [
        ({f"a{number}": "/a" for number in range(11)}, "Keep at most 10 values (got 11)."),
        ({"a b": "/a"}, "The name 'a b' cannot be used: begin with a letter"),
        ({"a-b": "/a"}, "The name 'a-b' cannot be used: begin with a letter, and use letters, d"),
        ({"a" * 51: "/a"}, f"The name {'a' * 51!r} cannot be used: begin with a letter"),
        ({"a": ""}, "The pointer of a must be a JSON pointer, such as /result/id."),
        ({"a": "result/id"}, "The pointer of a must be a JSON pointer, such as /result/id."),
        ({"a": "/~2"}, "The pointer of a must be a JSON pointer, such as /result/id."),
        ({"a": "/a "}, "The pointer of a must be a JSON pointer, such as /result/id."),
        ({"a": "/a\n"}, "The pointer of a must be a JSON pointer, such as /result/id."),
        ({"a": "/" + "a" * 200}, "The pointer of a must be at most 200 characters."),
    ],
)
def test_rules_of_answers(pointers: dict[str, str], message: str) -> None:
    """Each broken rule has its message."""
    with pytest.raises(InvalidError) as caught:
        check_answers(Answers(pointers), has_receiver=True)
    assert caught.value.errors["answers"][0].startswith(message)


def test_longest_name_of_an_answer() -> None:
    """It fits into its column, whatever the database."""
    check_answers(Answers({"a" * CallAnswer.__table__.c.name.type.length: "/a"}), has_receiver=True)


def test_only_requests_of_a_receiver() -> None:
    """Others keep no values and have no receiver's authentication."""
    options = HookOptions(answers=Answers({"a": "/a"}), credentials=Credentials(AuthKind.RECEIVER))
    with pytest.raises(InvalidError) as caught:
        check_options(options)
    assert caught.value.errors == {
        "answers": ["Only a request of a receiver can keep values."],
        "authentication": ["The request has no receiver. Choose another authentication."],
    }
    assert check_options(options, has_receiver=True) == options


@pytest.mark.parametrize(
    ("scheme", "token", "errors"),
    [
        ("token", "KEY:SECRET", {}),
        ("Zoho-oauthtoken", "1000.a", {}),
        ("Custom", 'a="b", c="d"', {}),
        ("", "", {"scheme": "Enter the scheme, for example token.", "token": "Enter the token."}),
        ("a" * 41, "t", {"scheme": "The scheme must be at most 40 characters (got 41)."}),
        (
            "a b",
            " t",
            {
                "scheme": "The scheme must be one word of letters, digits and -, for example "
                "Zoho-oauthtoken.",
                "token": "The token must be printable ASCII characters, without spaces around it.",
            },
        ),
        ("BASIC", "t", {"scheme": "Choose Basic instead."}),
        ("token", "a\nb", {"token": "The token must be printable ASCII characters, without"}),
    ],
)
def test_rules_of_other_schemes(scheme: str, token: str, errors: dict[str, str]) -> None:
    """Scheme and token make one valid header."""
    options = HookOptions(credentials=Credentials(AuthKind.SCHEME, scheme, token))
    found: dict[str, list[str]] = {}
    try:
        check_options(options)
    except InvalidError as error:
        found = error.errors
    assert found.keys() == errors.keys()
    assert all(found[name][0].startswith(message) for name, message in errors.items())
