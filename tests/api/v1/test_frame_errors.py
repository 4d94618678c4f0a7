"""Errors of the frame: their form, their headers, and what they do not say."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.api.v1.things import add_things
from tests.support.database_faults import missing_table

SECRET = "Zq7-Marker/4711"


@pytest.fixture(autouse=True)
def _things(app: Flask) -> Iterator[None]:
    add_things(app)
    # Errors are answers, as in operation.
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield
    begin_write()
    assert db.session.scalar(select(func.count()).select_from(Pbx)) == 0


@pytest.mark.parametrize(
    ("kind", "expected", "detail"),
    [
        ("bug", ProblemType.INTERNAL_ERROR, "Nothing was changed. The error has been logged"),
        ("sql", ProblemType.UNAVAILABLE, "Nothing was changed."),
        ("invalid", ProblemType.INVALID_REQUEST, "See `errors`"),
        ("not-found", ProblemType.NOT_FOUND, "There is no such object."),
        ("conflict", ProblemType.CONFLICT, "There is … already."),
        ("later", ProblemType.TOO_MANY_REQUESTS, "Too many."),
        ("unavailable", ProblemType.UNAVAILABLE, "The database is away."),
        ("unreadable", ProblemType.CONFLICT, "The secrets of this request cannot be decrypted"),
        ("other", ProblemType.INVALID_REQUEST, "No … here."),
    ],
)
def test_errors_are_problems(admin: Api, kind: str, expected: ProblemType, detail: str) -> None:
    """Each has its type, the request ID and the rate limit; nothing is stored and nothing repeated.

    PostgreSQL tells a missing table from one that is unavailable.
    """
    if kind == "sql" and db.engine.dialect.name == "postgresql":
        expected, detail = ProblemType.INTERNAL_ERROR, "Nothing was changed."
    answer = admin.post(f"/errors/{kind}", {"text": SECRET})
    document = check_problem(answer, expected)
    assert document["detail"].startswith(detail)
    assert document["request_id"] == answer.headers["X-Request-ID"]
    assert answer.headers["RateLimit"].startswith('"default";r=')
    assert answer.headers["Cache-Control"] == "no-store"
    assert SECRET.lower() not in answer.text.lower()
    waits = {ProblemType.TOO_MANY_REQUESTS: "7", ProblemType.UNAVAILABLE: "2"}
    assert answer.headers.get("Retry-After") == waits.get(expected)


def test_fields_of_the_domain_are_pointed_at(admin: Api) -> None:
    """Each sentence is an error of its own; quoted texts of the client are left out."""
    document = admin.post("/errors/invalid", {"text": SECRET}).get_json()
    assert document["errors"] == [
        {"pointer": "#/text", "detail": "'…' is not a/b."},
        {"pointer": "#/text", "detail": "It is long."},
    ]


def test_without_the_database(admin: Api) -> None:
    """An unavailable database is a 503 that says when to try again."""
    with missing_table(db.engine, "pbx"):
        answer = admin.get("/things")
    if db.engine.dialect.name == "sqlite":
        check_problem(answer, ProblemType.UNAVAILABLE)
        assert answer.headers["Retry-After"] == "2"
    else:
        check_problem(answer, ProblemType.INTERNAL_ERROR)


@pytest.mark.parametrize(
    ("method", "allowed"),
    [("DELETE", "GET, HEAD, PATCH, PUT"), ("POST", "GET, HEAD, PATCH, PUT"), ("OPTIONS", None)],
)
def test_other_methods(admin: Api, method: str, allowed: str | None) -> None:
    """They are 405, with those that there are."""
    answer = admin.send(method, "/things/head-office")
    check_problem(answer, ProblemType.METHOD_NOT_ALLOWED)
    assert answer.headers["Allow"] == (allowed or "GET, HEAD, PATCH, PUT")


def test_nothing_at_the_address(admin: Api) -> None:
    """An unknown address is a problem document too."""
    check_problem(admin.get("/nothing/here"), ProblemType.NOT_FOUND)
    check_problem(admin.get(""), ProblemType.NOT_FOUND)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic YTpi", "cea_123", "Token cea_123", "Bearercea_123"],
)
def test_no_token(nobody: Api, authorization: str) -> None:
    """Without a token, the challenge has no error (RFC 6750, 3.1)."""
    headers = {"Authorization": authorization} if authorization else {}
    answer = nobody.get("/things", headers=headers)
    check_problem(answer, ProblemType.UNAUTHORIZED)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="callevents"'
    assert "RateLimit" not in answer.headers


@pytest.mark.parametrize("token", ["x", "cea_unknown", "é", "cea_" + "x" * 5000, "a b", "%00"])
def test_an_invalid_token(nobody: Api, token: str) -> None:
    """The challenge says that it is invalid, and the answer does not repeat it."""
    answer = nobody.get("/things", headers={"Authorization": f"Bearer {token}"})
    check_problem(answer, ProblemType.UNAUTHORIZED)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="callevents", error="invalid_token"'


def test_any_case_and_blanks(admin: Api) -> None:
    """The scheme's case does not matter, nor do blanks around the token."""
    answer = admin.get("/things", headers={"Authorization": f"bEARER   {admin.token} "})
    assert answer.status_code == 200


def test_a_missing_scope(api: MakeApi) -> None:
    """The answer names the scope, also where the owner has no right either."""
    answer = api(Role.VIEWER, ["pbxs:read"]).post("/things", {"name": "x"})
    assert "pbxs:write" in check_problem(answer, ProblemType.INSUFFICIENT_SCOPE)["detail"]
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.endswith('error="insufficient_scope", scope="pbxs:write"')


def test_a_missing_right(api: MakeApi) -> None:
    """The scope alone is not enough."""
    answer = api(Role.VIEWER).post("/things", {"name": "x"})
    check_problem(answer, ProblemType.FORBIDDEN)
    assert "WWW-Authenticate" not in answer.headers


def test_a_route_that_will_go(admin: Api) -> None:
    """It says since when it is deprecated, and when it goes."""
    answer = admin.get("/old-things")
    assert answer.status_code == 200
    assert answer.headers["Deprecation"] == "@1798761600"
    assert answer.headers["Sunset"] == "Fri, 31 Dec 2027 23:59:59 GMT"
    problem = admin.get("/old-things?x=1")
    assert problem.status_code == 400
    assert problem.headers["Deprecation"] == "@1798761600"


def test_head(admin: Api) -> None:
    """HEAD is GET without a body."""
    answer = admin.send("HEAD", "/old-things")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(admin.get("/old-things").data))


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.9", "*/*", ""])
def test_accept_is_passed_over(admin: Api, accept: str) -> None:
    """Answers are JSON, whatever is asked for (RFC 9110, 12.5.1)."""
    answer = admin.get("/things", headers={"Accept": accept})
    assert (answer.status_code, answer.content_type) == (200, "application/json")
