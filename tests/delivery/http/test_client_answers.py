"""One attempt over real sockets: what is stored of the response."""

import gc
import threading
import tracemalloc
from itertools import count

import pytest

from callevents.delivery.http.client import HttpClient
from callevents.delivery.http.transfer import MAX_RESPONSE_BYTES
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import AuthKind, Method, ParameterSet
from tests.delivery.conftest import Serve
from tests.delivery.http.sending import get, head
from tests.support.raw_server import Connection, answers


def test_huge_answers_are_cut(http_client: HttpClient, serve: Serve) -> None:
    """The first 64 KiB are kept; the rest stays unread and the connection is not used again."""
    closed = threading.Event()

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(head("200 OK", f"Content-Length: {1 << 40}"))
        try:
            while True:
                connection.send(b"x" * 65536)
        finally:
            closed.set()

    server = serve(talk)
    response = get(http_client, server.url)
    assert response.is_success
    assert response.truncated
    assert response.body == "x" * MAX_RESPONSE_BYTES
    assert closed.wait(10), "the connection was left open"
    assert get(http_client, server.url).is_success
    assert server.accepted == 2


def test_answer_of_exactly_the_limit_is_whole(http_client: HttpClient, serve: Serve) -> None:
    """64 KiB are not cut, one byte more is."""
    for extra in (0, 1):
        body = b"x" * (MAX_RESPONSE_BYTES + extra)
        response = get(http_client, serve(answers(head("200 OK") + body)).url)
        assert (len(response.body), response.truncated) == (MAX_RESPONSE_BYTES, bool(extra))


def test_binary_answers_become_text(http_client: HttpClient, serve: Serve) -> None:
    """NUL, control and undecodable bytes become text that any database and page can take."""
    data = head("200 OK", "X-Bin: a\xff\xfe\x01\x02z", "X-Name: \xc8\x98", "Content-Length: 8")
    response = get(http_client, serve(answers(data + b"a\x00b\xffc\xc8\x98\n")).url)
    assert response.body == "a\ufffdb\ufffdcȘ\n"
    assert response.headers[0] == ["X-Bin", "a\ufffd\ufffd\ufffd\ufffdz"]
    assert response.headers[1] == ["X-Name", "Ș"]


@pytest.mark.parametrize(
    "written",
    [
        'Bearer s3cret/to"ken',
        'token=s3cret/to"ken;',
        r'{"Authorization": "Bearer s3cret/to\"ken"}',
        r'{"token": "s3cret\/to\"ken"}',
        "<td>s3cret/to&quot;ken</td>",
    ],
)
def test_answers_that_repeat_secrets_are_masked(
    http_client: HttpClient, serve: Serve, written: str
) -> None:
    """Secret headers that a receiver repeats are masked; all else is stored unchanged."""
    lines = (f"X-Got: {written}", "Content-Type: text/plain", f"Location: /{written}")
    server = serve(answers(head("302 Found", *lines) + b"7: " + written.encode()))
    headers = [("Accept", "text/plain"), ("X-Short", "7")]
    template = RequestTemplate(
        Method.GET,
        server.url,
        custom_headers=headers,
        auth=AuthKind.BEARER,
        secret='s3cret/to"ken',
    )
    response = http_client.send(build_request(template, []))
    assert "s3cret" not in repr(response)
    assert "••••" in response.error
    assert response.body.startswith("7: ")
    assert "••••" in response.body
    assert ["Content-Type", "text/plain"] in response.headers


def test_answers_that_repeat_a_password_are_masked(http_client: HttpClient, serve: Serve) -> None:
    """Some receivers decode what they repeat."""
    server = serve(answers(head("200 OK") + b"ana:pass-word YW5hOnBhc3Mtd29yZA=="))
    template = RequestTemplate(
        Method.GET, server.url, auth=AuthKind.BASIC, username="ana", secret="pass-word"
    )
    assert http_client.send(build_request(template, [])).body == "ana:•••• ••••"


@pytest.mark.parametrize(
    ("query", "written", "kept"),
    [
        (
            "key=ge%2Fheim&pin=1",
            "GET /?key=ge%2Fheim&pin=1 is ge/heim",
            "GET /?key=••••&pin=1 is ••••",
        ),
        ("token=gehäim123", "GET /?token=geh%C3%A4im123 is gehäim123", "GET /?token=•••• is ••••"),
        (
            "token=s3cret-{CallID}",
            "token=s3cret-c%2F1 is s3cret-c/1 of c/1",
            "token=•••• is •••• of c/1",
        ),
        ("key=ge%2Fheim", "key=ge%2fheim is ge%2Fheim", "key=•••• is ••••"),
        ("key=ge%2Fh%25eim", "key=ge/h%25eim is ge%2fh%eim", "key=•••• is ••••"),
        ("token=gehäim123", "a%20%67eh%c3%a4im%31%323%20b", "a%20••••%20b"),
        ("key=ge%2Fheim", "next=%2Fin%3Fkey%3Dge%25252fheim%26", "next=%2Fin%3Fkey%3D••••%26"),
        ("key=ge%252Fheim", "key=ge%2Fheim is ge/heim", "key=•••• is ••••"),
    ],
    ids=[
        "escaped",
        "to be escaped",
        "placeholder",
        "other case",
        "decoded in part",
        "escaped without need",
        "escaped again",
        "decoded again",
    ],
)
def test_answers_that_repeat_the_url_are_masked(
    http_client: HttpClient, serve: Serve, query: str, written: str, kept: str
) -> None:
    """Secrets of the URL are masked in the response too, as sent or decoded."""
    server = serve(answers(head("200 OK") + written.encode()))
    template = RequestTemplate(Method.GET, f"{server.url}/?{query}", parameters=ParameterSet.NONE)
    assert http_client.send(build_request(template, [("CallID", "c/1")])).body == kept


def test_secrets_of_a_redirect_are_masked(http_client: HttpClient, serve: Serve) -> None:
    """User, password and secrets in a redirect's target are in no error, header or body."""
    target = "https://ana:pass-word@sso.example/in?next=%2Fa&Session_Token=abcdefgh&sig=x#code=y"
    shown = "https://••••@sso.example/in?next=%2Fa&Session_Token=••••&sig=••••#code=••••"
    page = b'<a href="https://ana:pass-word@sso.example/in?Session_Token=abcdefgh">there</a>'
    response = get(http_client, serve(answers(head("302 Found", f"Location: {target}") + page)).url)
    assert response.error == f"The receiver redirects to {shown}; redirects are not followed."
    assert ["Location", shown] in response.headers
    assert response.body == '<a href="https://••••@sso.example/in?Session_Token=••••">there</a>'


def test_redirect_targets_are_not_remembered(http_client: HttpClient, serve: Serve) -> None:
    """A receiver that redirects elsewhere each time, at great length, does not fill the memory."""

    def talk(connection: Connection) -> None:
        for number in count():
            if not connection.read_request():
                break
            target = f"Location: http://a/{number}?token=" + "x" * 50_000
            connection.send(head("302 Found", target, "Content-Length: 0"))

    server = serve(talk)
    get(http_client, server.url)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        assert all(get(http_client, server.url).status_code == 302 for _ in range(50))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000


def test_hostile_redirect_target_is_harmless_text(http_client: HttpClient, serve: Serve) -> None:
    """The error has no control characters, and is limited."""
    data = head("302 Found", "Location: http://a/\x1b[31m\xff" + "/x" * 2500, "Content-Length: 0")
    response = get(http_client, serve(answers(data)).url)
    assert response.error.isprintable()
    assert len(response.error) == 500


def test_compressed_answers_are_not_unpacked(http_client: HttpClient, serve: Serve) -> None:
    """A compressed response is stored as it is, so that none can grow in memory."""
    data = head("200 OK", "Content-Encoding: gzip", "Content-Length: 3") + b"xyz"
    assert get(http_client, serve(answers(data)).url).body == "xyz"
