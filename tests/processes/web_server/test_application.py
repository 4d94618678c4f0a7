"""The ASGI application on a socket: concurrent, long, chunked and broken requests."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.extensions import db
from callevents.ingest.recent import list_recent_reports
from callevents.processes.web_server.fast_reports import MAX_INLINE_BYTES
from tests.api.conftest import EVENT, is_empty, stored
from tests.conftest import let_go
from tests.support.database_faults import before_statement
from tests.support.log_capture import Logged
from tests.support.served import PATH, Served
from tests.support.waiting import wait_until


def test_concurrent_requests(served: Served) -> None:
    """Each concurrent request gets the ID of its own event."""
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda number: served.send(json={**EVENT, "id": f"e{number}"}), range(200))
        )
    assert [answer.status_code for answer in answers] == [202] * 200
    ids = {event.key: event.id for event in stored()}
    assert [answer.json()["id"] for answer in answers] == [
        ids[f"given:e{number}"] for number in range(200)
    ]


def test_duplicates_are_stored_as_discarded(served: Served, pbx: Pbx) -> None:
    """A duplicate is stored with the ID of the first event, after the response."""
    first, again = [served.send(json={**EVENT, "id": "k"}).json()["id"] for _ in range(2)]
    assert first == again

    def discarded() -> list[str]:
        db.session.rollback()
        return [one.reason for one in list_recent_reports(pbx) if one.event is None]

    wait_until(discarded, "the duplicate")
    assert discarded() == [f"Duplicate of event {first}."]


def test_long_bodies(served: Served) -> None:
    """A body that would hold up the loop is read in a thread, with the same response."""
    batch = [{**EVENT, "caller_name": "n" * 200, "id": f"e{number}"} for number in range(200)]
    assert len(json.dumps(batch)) > MAX_INLINE_BYTES
    answer = served.send(json=batch)
    assert answer.status_code == 202
    assert len(answer.json()["results"]) == len(stored()) == 200


def test_chunked_bodies(served: Served) -> None:
    """A body of unknown length is put together."""
    answer = served.send(data=iter([b'{"event":"dial-in",', b'"ext":"101"}']))
    assert answer.status_code == 202
    assert [event.extension for event in stored()] == ["101"]


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 40\r\n\r\n" + b'{"event":"dial-in","ext":"101"}\n',
        b"Transfer-Encoding: chunked\r\n\r\n20\r\n" + b'{"event":"dial-in","ext":"101"}\n\r\n',
    ],
    ids=["length", "chunks"],
)
def test_incomplete_bodies(served: Served, rest: bytes) -> None:
    """An incomplete body is rejected, even if the received part is valid."""
    assert served.send_raw(rest).startswith(b"HTTP/1.1 400 ")
    assert is_empty()


def test_endless_body(served: Served) -> None:
    """A body of unknown length is read up to the limit."""
    answer = served.send(data=iter([b"x" * 65536] * 40))
    assert answer.status_code == 413
    assert is_empty()


@pytest.mark.parametrize("name", ["X_Forwarded_Proto", "X_FORWARDED_PROTO"])
def test_headers_with_underscores(settings: Settings, pbx: Any, token: str, name: str) -> None:
    """A header with an underscore does not count as a trusted proxy's."""
    app = create_app(settings.model_copy(update={"trusted_proxies": 1}))
    proxied = Served(app, token)
    proxied.cache_token()
    try:
        given = {"X-Ingest-Token": token}
        secure = "Strict-Transport-Security"
        honest = proxied.send(json=EVENT, headers={**given, "X-Forwarded-Proto": "https"})
        assert secure in honest.headers
        for path in (PATH, "/healthz"):
            forged = proxied.send(json=EVENT, path=path, headers={**given, name: "https"})
            assert secure not in forged.headers
    finally:
        proxied.close()
        let_go(app)


def test_request_that_no_thread_takes(served: Served, logged: Logged) -> None:
    """A request that cannot be passed to Flask gets a 500 and a log line."""
    served.stop_threads()
    answer = served.send(path="/healthz", method="GET")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "The server failed to answer this request."
    assert "request failed" in logged.text


def test_trailers_are_ignored(served: Served) -> None:
    """Trailers of a chunked body cannot imitate the headers of a proxy."""
    body = urlencode(EVENT).encode()
    answer = served.send_raw(
        b"Transfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\nContent-Type: text/plain\r\n\r\n" % (len(body), body)
    )
    assert answer.startswith(b"HTTP/1.1 202 ")


def test_unescaped_names(served: Served) -> None:
    """A name in the query that is not percent-encoded is stored unchanged."""
    target = f"{PATH}?token={served.token}&event=dial-in&ext=101&caller_name=Müller"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 202 ")
    assert [event.caller_name for event in stored()] == ["Müller"]


def test_token_lookup_does_not_block(served: Served) -> None:
    """While the database looks up an unknown token, other requests are served."""
    assert served.send(json=EVENT).status_code == 202
    started, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        assert go_on.wait(30)

    with (
        ThreadPoolExecutor(1) as threads,
        before_statement(db.engine, "SELECT pbx.id, ingest_token.id", hold),
    ):
        unknown = threads.submit(served.send, json=EVENT, headers={"X-Ingest-Token": "unknown"})
        assert started.wait(30)
        try:
            assert served.send(json={**EVENT, "id": "other"}, timeout=10).status_code == 202
        finally:
            go_on.set()
        assert unknown.result().status_code == 401
