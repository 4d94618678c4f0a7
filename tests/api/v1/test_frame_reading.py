"""How queries and bodies are read, and what is said of wrong ones."""

import json

import pytest
from flask import Flask

from callevents.api.v1.problems import ProblemType
from tests.api.v1.conftest import Api, check_problem
from tests.api.v1.things import add_things

INVALID = ProblemType.INVALID_REQUEST
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _things(app: Flask) -> None:
    add_things(app)


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 0), ("number=7", 7), ("number=-7&is_on=true", -6), ("is_on=false", 0)],
)
def test_a_valid_query(admin: Api, query: str, count: int) -> None:
    """Numbers and truth values are read from texts."""
    assert admin.get(f"/flags?{query}").get_json() == {"count": count}


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("number=1&number=1", ["?number"]),
        ("colour=1&colour=2", []),
        ("colour=red", ["?"]),
        ("number=1.0", ["?number"]),
        ("number=", ["?number"]),
        ("number=%2B1", ["?number"]),
        ("number=007", ["?number"]),
        ("number=" + "9" * 30, ["?number"]),
        ("number=" + "9" * 9000, ["?number"]),
        ("number=%D9%A7", ["?number"]),
        ("is_on=1", ["?is_on"]),
        ("is_on=True", ["?is_on"]),
        ("is_on=%00", []),
        ("is_on=%FF", []),
        ("%00=1", []),
    ],
)
def test_an_invalid_query(admin: Api, query: str, pointers: list[str]) -> None:
    """Each wrong parameter is pointed at; names that are not ours are not repeated."""
    document = check_problem(admin.get(f"/flags?{query}"), INVALID)
    assert [error["pointer"] for error in document.get("errors", [])] == pointers
    assert "colour" not in json.dumps(document)


def test_unknown_parameters_say_which_there_are(admin: Api) -> None:
    """A typo is easy to correct."""
    document = admin.get("/flags?nummer=1").get_json()
    assert (
        document["errors"][0]["detail"] == "There is no such parameter. There are: number, is_on."
    )


def test_unknown_fields_say_which_there_are(admin: Api) -> None:
    """The same for the body, and for an object within it."""
    document = admin.post("/forms", {"nummer": 1}).get_json()
    assert "There are: number, weight, text" in document["errors"][0]["detail"]
    document = admin.post("/forms", {"parts": [{"kind": "a", "x": 1}]}).get_json()
    detail = "There is no such field. There are: kind, size."
    assert document["errors"] == [{"pointer": "#/parts/0", "detail": detail}]


def test_a_valid_body(admin: Api) -> None:
    """All kinds of values are taken, also with a merge patch's media type and a charset."""
    body = {
        "number": 2.0**52,
        "weight": 1,
        "text": "ăß\ufffd😀",
        "at": "2026-03-01T10:00:00+01:00",
        "parts": [{"kind": "a"}],
        "labels": {"x": 1},
    }
    assert admin.post("/forms", body).get_json() == {"count": 6}
    for media_type in ("application/merge-patch+json", "application/json; charset=UTF-8"):
        answer = admin.post("/forms", data="{}", headers={"Content-Type": media_type})
        assert answer.get_json() == {"count": 0}


@pytest.mark.parametrize(
    ("raw", "pointers"),
    [
        (b'{"number": 1.5}', ["#/number"]),
        (b'{"number": "1"}', ["#/number"]),
        (b'{"number": true}', ["#/number"]),
        (b'{"number": null}', ["#/number"]),
        (b'{"text": 1}', ["#/text"]),
        (b'{"text": "%s"}' % (b"x" * 21), ["#/text"]),
        (b'{"at": "2026-03-01T10:00:00"}', ["#/at"]),
        (b'{"at": 1700000000}', ["#/at"]),
        (b'{"parts": {}}', ["#/parts"]),
        (
            b'{"parts": [{"kind": "c"}, {"size": 11}]}',
            ["#/parts/0/kind", *["#/parts/1/kind"], "#/parts/1/size"],
        ),
        (b'{"parts": [{"kind": "a", "secret-name": 1}]}', ["#/parts/0"]),
        (b'{"labels": {"secret-name": "x"}}', ["#/labels"]),
        (b'{"secret-name": 1}', ["#/"]),
        (b"[]", ["#/"]),
        (b"null", ["#/"]),
        (b'"x"', ["#/"]),
    ],
)
def test_values_of_a_wrong_kind(admin: Api, raw: bytes, pointers: list[str]) -> None:
    """Each wrong value is pointed at, in nested objects too. The client's names are left out."""
    answer = admin.post("/forms", data=raw, headers=JSON)
    document = check_problem(answer, INVALID, *pointers)
    assert "secret" not in answer.text
    for error in document["errors"]:
        assert error["detail"].endswith(".")
        assert "Input should" not in error["detail"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"text": "\xff"}',
        '{"text": "x"}'.encode("utf-16"),
        b'{"text": "\\ud800"}',
        b'{"text": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"text": "a\nb"}',
        b'{"weight": NaN}',
        b'{"weight": -Infinity}',
        b'{"weight": 1e999}',
        b'{"number": %s}' % (b"9" * 5000),
        b'{"text": "a", "text": "b"}',
        b'{"parts": [{"kind": "a", "kind": "b"}]}',
        b'{"number": 01}',
        b"{'text': 'x'}",
        b'{"text": "x",}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_bodies_that_are_no_json(admin: Api, raw: bytes) -> None:
    """What another parser may understand in another way, or cannot be stored, is refused."""
    check_problem(admin.post("/forms", data=raw, headers=JSON), INVALID)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_media_types(admin: Api, headers: dict[str, str]) -> None:
    """Only JSON in UTF-8 is read."""
    answer = admin.post("/forms", data=b"{}", headers=headers)
    check_problem(answer, ProblemType.UNSUPPORTED_MEDIA_TYPE)


def test_a_body_that_is_too_large(admin: Api) -> None:
    """It is refused, whether the operation has a body or not."""
    large = b'{"text": "%s"}' % (b"x" * 2**20)
    answer = admin.post("/forms", data=large, headers=JSON)
    check_problem(answer, ProblemType.TOO_LARGE)
    assert "RateLimit" in answer.headers
    check_problem(admin.send("GET", "/flags", data=large, headers=JSON), INVALID)


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"{}", 200), (b'{"x": 1}', 400)])
def test_operations_without_a_body(admin: Api, body: bytes, status: int) -> None:
    """An empty object is passed over: some clients always send one."""
    assert admin.send("GET", "/flags", data=body, headers=JSON).status_code == status


@pytest.mark.parametrize("name", ["%00", "%ED%A0%80", "x" * 10_000, "no-such-thing", "..%2f.."])
def test_paths_that_name_nothing(admin: Api, name: str) -> None:
    """They are 404, and none reaches the database."""
    check_problem(admin.get(f"/things/{name}"), ProblemType.NOT_FOUND)


@pytest.mark.parametrize("path", ["/things/", "//flags", "/things//", "/Things"])
def test_addresses_are_exact(admin: Api, path: str) -> None:
    """Nothing redirects: another spelling is another address, and there is nothing."""
    check_problem(admin.get(path), ProblemType.NOT_FOUND)
