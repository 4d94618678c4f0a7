"""Lists: pages, cursors, and the link to the next page."""

import base64

import pytest
import requests
from flask import Flask
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.extensions import app_state, db
from tests.api.v1.conftest import Api, check_problem
from tests.api.v1.things import add_things


@pytest.fixture(autouse=True)
def _things(app: Flask) -> None:
    add_things(app)
    add("first", 25)


def add(name: str, count: int) -> None:
    """Add things."""
    begin_write()
    db.session.add_all(Pbx(name=f"{name} {n:03}", slug=f"{name}-{n:03}") for n in range(count))
    db.session.commit()


def names(answer: TestResponse) -> list[str]:
    """Return the names on the page."""
    assert answer.status_code == 200
    return [one["name"] for one in answer.get_json()["data"]]


def next_link(answer: TestResponse | requests.Response) -> str | None:
    """Return the address of the next page, as a client of HTTP finds it."""
    link = requests.utils.parse_header_links(answer.headers.get("Link", ""))
    return next((one["url"] for one in link if one.get("rel") == "next"), None)


def test_pages_by_cursor(admin: Api) -> None:
    """Newest first, without gaps and repeats while things are added; the last one says so."""
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        answer = admin.get("/things", query_string={"limit": 7, "cursor": cursor})
        found += names(answer)
        cursor = answer.get_json()["next_cursor"]
        assert ("Link" in answer.headers) == (cursor is not None)
        add(f"later {len(found)}", 3)
    assert found == [f"first {n:03}" for n in reversed(range(25))]


def test_pages_by_link(admin: Api) -> None:
    """The link keeps the filter and the limit, and is absolute."""
    add("other", 3)
    query = {"limit": 10, "name": "first"}
    answer = admin.get("/things", query_string=query)
    found = names(answer)
    while link := next_link(answer):
        prefix = "http://localhost/api/v1/things?"
        assert link.startswith(prefix)
        assert "limit=10&name=first&cursor=" in link
        answer = admin.get("/things?" + link.removeprefix(prefix))
        found += names(answer)
    assert found == [f"first {n:03}" for n in reversed(range(25))]


def test_an_exact_number(admin: Api) -> None:
    """A full last page has no cursor: nothing follows."""
    answer = admin.get("/things?limit=25")
    assert len(names(answer)) == 25
    assert answer.get_json()["next_cursor"] is None


def test_the_link_as_seen_from_outside(app: Flask, admin: Api) -> None:
    """It has the address that the client used, or that of the setting."""
    headers = {"Host": "calls.example.com:8443"}
    link = next_link(admin.get("/things?limit=1", headers=headers, base_url="https://x"))
    assert (link or "").startswith("https://calls.example.com:8443/api/v1/things?")
    app_state(app).settings.public_url = "https://outside.example.com"
    link = next_link(admin.get("/things?limit=1", headers=headers))
    assert (link or "").startswith("https://outside.example.com/api/v1/things?")


def test_the_link_with_a_forged_host(admin: Api) -> None:
    """A host that is none is not used: the link has our own name."""
    answer = admin.get("/things?limit=1", headers={"Host": 'x>; rel="evil'})
    assert (next_link(answer) or "").startswith("http://localhost:80/api/v1/things?")


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1e1", "abc", "9" * 20])
def test_limits(admin: Api, limit: str) -> None:
    """1 to 200."""
    answer = admin.get("/things", query_string={"limit": limit})
    check_problem(answer, ProblemType.INVALID_REQUEST, "?limit")


def test_cursors_of_others(admin: Api) -> None:
    """A cursor works for its list and its filter only; the limit may change."""
    cursor = admin.get("/things?limit=5").get_json()["next_cursor"]
    assert len(names(admin.get(f"/things?limit=9&cursor={cursor}"))) == 9
    for path in ("/other-things?", "/things?name=first&"):
        answer = admin.get(f"{path}cursor={cursor}")
        check_problem(answer, ProblemType.INVALID_CURSOR)


def encoded(text: str) -> str:
    """Return the text as cursors are encoded."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "5",
        "=",
        "....",
        encoded("5"),
        encoded("."),
        encoded(".5"),
        encoded("5."),
        encoded('["x", "5"]'),
        encoded("x" * 20 + ".5"),
        encoded("x" * 20 + ".' OR 1=1"),
        encoded("\ud800.5"),
        encoded("[" * 300),
        "A" * 500,
    ],
)
def test_cursors_that_are_none(admin: Api, cursor: str) -> None:
    """They never reach the database."""
    answer = admin.get("/things", query_string={"cursor": cursor})
    check_problem(answer, ProblemType.INVALID_CURSOR)


def test_a_cursor_that_is_too_long(admin: Api) -> None:
    """It is refused before it is decoded."""
    answer = admin.get("/things", query_string={"cursor": "A" * 501})
    check_problem(answer, ProblemType.INVALID_REQUEST, "?cursor")


def test_tampered_cursors(admin: Api) -> None:
    """Every change of a sign is noticed."""
    cursor = admin.get("/things?limit=5").get_json()["next_cursor"]
    for at in range(len(cursor)):
        other = "A" if cursor[at] != "A" else "B"
        changed = cursor[:at] + other + cursor[at + 1 :]
        answer = admin.get(f"/things?cursor={changed}")
        check_problem(answer, ProblemType.INVALID_CURSOR)
