"""Lists: pages with links, filters, fields and order."""

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.api.uapi.conftest import EVENTS, Api, Event, check_error, path_of, succeeded

NAMES = ("b", "a", "d", "c", "e")


@pytest.fixture
def created(api: Api) -> dict[str, Event]:
    """Five events, by the last letter of their URLs."""
    return {
        name: api.create(
            type=str(number),
            url=f"https://crm.example.com/{name}",
            method=str(number % 2),
            status=str(int(number > 1)),
            note=f"note {name.upper()}" if number else "",
        )
        for number, name in enumerate(NAMES)
    }


def letters(entries: list[Event]) -> str:
    """Return the last letters of the events' URLs."""
    return "".join(event["url"][-1] for event in entries)


def follow(api: Api, link: str) -> Any:
    """Return what a link answers. It is followed as it is, without its host."""
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc) == ("http", "localhost")
    api.base = f"{parts.path}?{parts.query}"
    return succeeded(api.send("GET"))


def test_order(api: Api, created: dict[str, Event]) -> None:
    """By URL, and by ID where that is the same; VoipNow's client writes the parameter wrong."""
    assert letters(api.entries()) == "abcde"
    for name in ("sortOrder", "sortOder"):
        assert letters(api.entries(**{name: "ascending"})) == "abcde"
        assert letters(api.entries(**{name: "descending"})) == "edcba"
    assert letters(api.entries(sortOrder="descending", sortOder="ascending")) == "edcba"
    same = [api.create(url="https://crm.example.com/a")["id"] for _ in range(3)]
    first = [event["id"] for event in api.entries()][:4]
    assert first == sorted([*same, created["a"]["id"]])
    assert [event["id"] for event in api.entries(sortOrder="descending")][-4:] == first[::-1]


@pytest.mark.parametrize("slash", ["", "/"])
def test_pages(api: Api, created: dict[str, Event], slash: str) -> None:
    """Each page has links to its neighbours, which keep the query but the token."""
    query = {"count": 2, "sortOder": "descending", "note": "a b&c", "accessRequestToken": "x"}
    page = api.get(slash, **query)
    seen = [letters(page["entry"])]
    assert page.items() >= {"startIndex": 0, "itemsPerPage": 2, "totalResults": 5}.items()
    assert set(page["paging"]) == {"next"}
    link = page["paging"]["next"]
    assert link.startswith(f"http://localhost{EVENTS}{slash}?count=2&startIndex=2&")
    assert parse_qs(urlsplit(link).query) == {
        "count": ["2"],
        "startIndex": ["2"],
        "sortOder": ["descending"],
        "note": ["a b&c"],
    }
    while "next" in page["paging"]:
        page = follow(api, page["paging"]["next"])
        seen.append(letters(page["entry"]))
    assert seen == ["ed", "cb", "a"]
    for expected in ("cb", "ed"):
        page = follow(api, page["paging"]["prev"])
        assert letters(page["entry"]) == expected
    assert set(page["paging"]) == {"next"}


def test_start(api: Api, created: dict[str, Event]) -> None:
    """A page may begin anywhere; what is beyond the end is empty and leads back."""
    for start, entries, previous in ((1, "bc", 0), (4, "e", 2), (5, "", 3), (5000, "", 3)):
        page = api.get(count=2, startIndex=start)
        assert letters(page["entry"]) == entries
        assert page["totalResults"] == 5
        assert f"startIndex={previous}" in page["paging"]["prev"]


def test_bounds(api: Api, created: dict[str, Event]) -> None:
    """The count is 1 to 5000, and the start 0 to 5000."""
    assert len(api.entries(count=1)) == 1
    assert api.get(count="05000", startIndex="0000")["itemsPerPage"] == 5000
    for count in ("0", "-1", "5001", "x", "", "1.0", "9" * 5000, "²", "٣", " 1"):
        check_error(api.send("GET", query_string={"count": count}), 400, "count_invalid")
    for start in ("-1", "5001", "x", "", "9" * 5000):
        answer = api.send("GET", query_string={"startIndex": start})
        check_error(answer, 400, "startindex_invalid")


def test_equals(api: Api, created: dict[str, Event]) -> None:
    """A filter finds what is equal."""
    for by, value, expected in (
        ("method", "1", "ac"),
        ("status", "0", "ab"),
        ("type", "2", "d"),
        ("note", "note C", "c"),
        ("note", "", "b"),
        ("url", "https://crm.example.com/e", "e"),
        ("url", "https://crm.example.com/", ""),
        ("id", created["d"]["id"], "d"),
        ("id", "no such", ""),
    ):
        for operator in ({}, {"filterOp": "equals"}):
            page = api.get(filterBy=by, filterValue=value, **operator)
            assert (letters(page["entry"]), page["totalResults"]) == (expected, len(expected))


def test_operators(api: Api, created: dict[str, Event]) -> None:
    """A filter finds what contains a text, or begins with it; upper and lower case differ."""
    for operator, value, expected in (
        ("contains", "ote", "acde"),
        ("contains", "e C", "c"),
        ("contains", "", "abcde"),
        ("contains", "NOTE", ""),
        ("startsWith", "note", "acde"),
        ("startsWith", "ote", ""),
    ):
        found = api.entries(filterBy="note", filterValue=value, filterOp=operator)
        assert letters(found) == expected


def test_filter_by_moment(api: Api, created: dict[str, Event]) -> None:
    """A moment may have another offset, and a plus that was not encoded."""
    one = api.update(created["a"], note="x")["modified"]
    expected = [event for event in api.entries() if event["modified"] == one]
    east = datetime.fromisoformat(one).astimezone(timezone(timedelta(hours=5, minutes=30)))
    for text in (one, one.replace("+", " "), one.replace("+00:00", "Z"), east.isoformat()):
        assert api.entries(filterBy="modified", filterValue=text) == expected
    begins = {"filterBy": "modified", "filterOp": "startsWith"}
    assert len(api.entries(filterValue="20", **begins)) == 5
    for text in ("", "x", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"):
        assert api.entries(filterBy="modified", filterValue=text) == []


def test_filter_of_one_event(api: Api, created: dict[str, Event]) -> None:
    """An ID gives a list of one, which the filter may leave empty."""
    path = path_of(created["c"])
    assert letters(api.entries(path, count=20, startIndex=0)) == "c"
    assert api.entries(path, filterBy="status", filterValue="0") == []


def test_fields(api: Api, created: dict[str, Event]) -> None:
    """Only the named fields, in any order and with blanks."""
    entries = api.entries(fields="url, id")
    assert all(list(event) == ["id", "url"] for event in entries)
    assert letters(entries) == "abcde"
    assert api.entries(fields="links", filterBy="type", filterValue="0") == [
        {"links": created["b"]["links"]}
    ]


def test_wrong_queries(api: Api) -> None:
    """What is wrong in the query has a code; unknown parameters are ignored."""
    for code, query in (
        ("filterby_invalid", {"filterBy": "colour", "filterValue": "x"}),
        ("filterby_invalid", {"filterBy": "links", "filterValue": "x"}),
        ("filterby_invalid", {"filterBy": "", "filterValue": "x"}),
        ("filterby_invalid", {"filterValue": "x"}),
        ("filtervalue_invalid", {"filterBy": "url"}),
        ("filterop_invalid", {"filterBy": "url", "filterValue": "x", "filterOp": "match"}),
        ("filterop_invalid", {"filterOp": "startswith"}),
        ("fields_invalid", {"fields": "id,colour"}),
        ("fields_invalid", {"fields": ""}),
        ("sortorder_invalid", {"sortOrder": "up"}),
        ("sortorder_invalid", {"sortOder": ""}),
    ):
        check_error(api.send("GET", query_string=query), 400, code)
    assert api.entries(colour="red") == []
