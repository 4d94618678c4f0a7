"""JSON pointers: the examples of RFC 6901, and which values are kept."""

import json

import pytest

from callevents.delivery.json_pointer import is_pointer, read_values

#: The document of RFC 6901, section 5, with texts instead of its numbers, and one of section 4.
RFC_DOCUMENT = {
    "foo": ["bar", "baz"],
    "": "0",
    "a/b": "1",
    "c%d": "2",
    "e^f": "3",
    "g|h": "4",
    "i\\j": "5",
    'k"l': "6",
    " ": "7",
    "m~n": "8",
    # Of section 4: the slash is replaced first, so that ~01 is a tilde and a one.
    "~1": "9",
}


def find(body: str, pointer: str) -> str | None:
    """Return the kept value, None if it is missing."""
    return read_values(body, {"X": pointer}).get("X")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/foo/0", "bar"),
        ("/foo/1", "baz"),
        ("/", "0"),
        ("/a~1b", "1"),
        ("/c%d", "2"),
        ("/e^f", "3"),
        ("/g|h", "4"),
        ("/i\\j", "5"),
        ('/k"l', "6"),
        ("/ ", "7"),
        ("/m~0n", "8"),
        ("/~01", "9"),
    ],
)
def test_examples_of_the_standard(pointer: str, value: str) -> None:
    """Each pointer of RFC 6901's section 5 finds its value."""
    assert is_pointer(pointer)
    assert find(json.dumps(RFC_DOCUMENT), pointer) == value


@pytest.mark.parametrize(
    "pointer",
    ["/foo", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/bar", "/foo/0/x", "/nobody", ""],
)
def test_missing_values(pointer: str) -> None:
    """What is not there, an object and an array are missing."""
    assert is_pointer(pointer)
    assert find(json.dumps(RFC_DOCUMENT), pointer) is None


@pytest.mark.parametrize("text", ["foo", "/a~2b", "/a~", "#/foo", "$.foo"])
def test_texts_that_are_no_pointers(text: str) -> None:
    """A pointer begins with a slash, and a tilde in it is ~0 or ~1."""
    assert not is_pointer(text)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"v": 12345678901234567890123}', "12345678901234567890123"),
        ('{"v": 1.10}', "1.10"),
        ('{"v": -1E5}', "-1E5"),
        ('{"v": true}', "true"),
        ('{"v": false}', "false"),
        ('{"v": ""}', ""),
        ('{"v": "\\ud83d\\ude00"}', "😀"),
        ('\ufeff{"v": "x"}', "x"),
        ('{"v": null}', None),
        ('{"v": {}}', None),
        ('{"v": []}', None),
        ('{"v": NaN}', None),
        ('{"v": "a\\u0000b"}', None),
        ('{"v": "\\ud800"}', None),
        (json.dumps({"v": "x" * 1000}), "x" * 1000),
        (json.dumps({"v": "x" * 1001}), None),
        ("<html>", None),
        ("[" * 60_000, None),
        ("", None),
    ],
)
def test_values(body: str, value: str | None) -> None:
    """Numbers keep all their digits; what no database stores, or is no JSON, is missing."""
    assert find(body, "/v") == value
