"""Requests through the web server, as clients of VoipNow write them."""

import json
import socket
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.api.uapi.conftest import EVENTS, URL, Api
from tests.support.databases import SqliteDatabases
from tests.support.served import Served

BODY = json.dumps({"type": 2, "method": "1", "note": "", "url": URL, "status": "1"}).encode()
LENGTH = f"Content-Length: {len(BODY)}".encode()


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: the database does not matter here."""
    return sqlite


@pytest.fixture
def web(served: Served, api: Api) -> tuple[Served, str]:
    """The web server, and a token."""
    return served, api.token


def exchange(port: int, request: bytes) -> tuple[int, Any]:
    """Send the bytes; return status and JSON of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(client)
        answer.begin()
        found = answer.status, json.loads(answer.read())
        assert answer.getheader("Content-Type") == "application/json"
        answer.close()
        return found


def ask(web: tuple[Served, str], line: str, *headers: bytes, body: bytes = b"") -> tuple[int, Any]:
    """Send a request with the token; return status and JSON of the answer."""
    served, token = web
    bearer = b"Authorization: Bearer " + token.encode()
    lines = [f"{line} HTTP/1.1".encode(), b"Host: pbx.example.com", bearer, *headers]
    return exchange(served.port, b"\r\n".join(lines) + b"\r\n\r\n" + body)


@pytest.mark.parametrize("origin", ["", "https://calls.example.com", "http://calls.example.com"])
def test_targets(web: tuple[Served, str], origin: str) -> None:
    """Targets in absolute form, percent-encoded parts, and both kinds of paths."""
    for path in (EVENTS, f"{EVENTS}/", EVENTS.replace("@", "%40").replace("*", "%2A")):
        status, created = ask(web, f"POST {origin}{path}", LENGTH, body=BODY)
        assert (status, created["type"]) == (200, "2")
        host = "calls.example.com" if origin else "pbx.example.com"
        assert created["links"]["self"].startswith(f"http://{host}{EVENTS}/2/")
        status, listed = ask(web, f"GET {origin}{path}?count=20&startIndex=0")
        assert (status, listed["entry"]) == (200, [created])
        status, removed = ask(web, f"DELETE {origin}{path}", b"Content-Type: application/json")
        assert (status, removed) == (200, [created])


def test_bodies(web: tuple[Served, str]) -> None:
    """A body in chunks, and one without a content type."""
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (9, BODY[:9], len(BODY) - 9, BODY[9:])
    for headers, body in (
        ((b"Transfer-Encoding: chunked", b"Content-Type: application/json"), chunks),
        ((b"Transfer-Encoding: chunked",), chunks),
        ((LENGTH,), BODY),
        ((LENGTH, b"Content-Type: application/x-www-form-urlencoded"), BODY),
    ):
        status, created = ask(web, f"POST {EVENTS}", *headers, body=body)
        assert (status, created["url"]) == (200, URL)


def test_errors(web: tuple[Served, str]) -> None:
    """Errors have VoipNow's form also where the server decides before the routes."""
    long = b"x" * 1_100_000
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(long), long)
    for line, headers, body, expected in (
        ("GET /uapi", (), b"", (404, "not_found")),
        (f"PATCH {EVENTS}", (LENGTH,), BODY, (405, "method_not_allowed")),
        (f"POST {EVENTS}", (b"Content-Length: 1100000",), long, (413, "request_too_large")),
        (f"POST {EVENTS}", (b"Transfer-Encoding: chunked",), chunks, (413, "request_too_large")),
        (f"POST {EVENTS}", (), b"", (400, "request_invalid")),
    ):
        status, document = ask(web, line, *headers, body=body)
        assert (status, document["error"]["code"]) == expected


def test_server_that_fails(web: tuple[Served, str]) -> None:
    """So do those of a server that cannot pass the request on."""
    web[0].stop_threads()
    status, document = ask(web, f"GET {EVENTS}")
    assert (status, document["error"]["code"]) == (500, "internal_error")
