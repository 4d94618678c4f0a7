"""Attempts over TLS: which certificates we trust, and that timeouts apply."""

import ssl
import sys
import threading
from pathlib import Path

import pytest
import trustme

from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import Method
from tests.delivery.conftest import MakeTransport, Serve
from tests.support.raw_server import OK, Connection, answers, hangs, keeps_alive


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return the TLS settings of a server with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that is not trusted."""
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """A file with the authority, to trust it."""
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def get(http_client: HttpClient, url: str) -> Response:
    """Send a GET."""
    return http_client.send(build_request(RequestTemplate(Method.GET, url), [("CallID", "c1")]))


def test_valid_certificate_is_accepted(
    make_transport: MakeTransport, serve: Serve, authority: trustme.CA, bundle: Path
) -> None:
    """A receiver whose certificate is valid gets the requests, over one connection."""
    http_client = make_transport(ca_bundle=bundle)
    server = serve(keeps_alive, tls=server_context(authority, "127.0.0.1"))
    assert [get(http_client, server.url).error for _ in range(2)] == ["", ""]
    assert (server.accepted, len(server.requests)) == (1, 2)


def test_certificate_of_a_stranger_is_refused(
    http_client: HttpClient, serve: Serve, authority: trustme.CA
) -> None:
    """An untrusted certificate ends the attempt before anything is sent."""
    server = serve(answers(OK), tls=server_context(authority, "127.0.0.1"))
    error = get(http_client, server.url).error
    assert error == "The TLS certificate is not valid: unable to get local issuer certificate."
    assert server.requests == []


def test_certificate_of_another_host_is_refused(
    make_transport: MakeTransport, serve: Serve, authority: trustme.CA, bundle: Path
) -> None:
    """A valid certificate for another name is refused too."""
    http_client = make_transport(ca_bundle=bundle)
    server = serve(answers(OK), tls=server_context(authority, "crm.example.com"))
    error = get(http_client, server.url).error
    assert error.startswith("The TLS certificate is not valid: ")
    assert "127.0.0.1" in error
    assert server.requests == []


def test_receiver_without_tls(http_client: HttpClient, serve: Serve) -> None:
    """An https URL of a plain server fails with a sentence about TLS."""
    server = serve(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    error = get(http_client, server.url.replace("http:", "https:")).error
    assert error.startswith("TLS handshake failed: ")
    assert "object at" not in error


def test_silence_in_the_handshake(make_transport: MakeTransport, serve: Serve) -> None:
    """A receiver that never does the TLS handshake hits the connect timeout."""
    server = serve(lambda connection: connection.wait_until_closed())
    http_client = make_transport(connect_timeout_seconds=0.3)
    error = get(http_client, server.url.replace("http:", "https:")).error
    assert error == "No connection within 0.3 seconds."


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_dripping_receiver_is_ended(
    make_transport: MakeTransport,
    serve: Serve,
    authority: trustme.CA,
    bundle: Path,
    beginning: bytes,
) -> None:
    """The total timeout applies over TLS too, wherever the receiver drips."""

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(beginning or b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(500):
            connection.send(b"x" * 8)
            connection.wait(0.02)

    http_client = make_transport(total_timeout_seconds=0.5, ca_bundle=bundle)
    server = serve(talk, tls=server_context(authority, "127.0.0.1"))
    assert get(http_client, server.url).error == (
        "The attempt took too long in total and was aborted."
    )


def test_silent_receiver_is_left(
    make_transport: MakeTransport, serve: Serve, authority: trustme.CA, bundle: Path
) -> None:
    """The read timeout applies over TLS too."""
    server = serve(hangs, tls=server_context(authority, "127.0.0.1"))
    http_client = make_transport(read_timeout_seconds=0.3, ca_bundle=bundle)
    assert get(http_client, server.url).error == "No response within 0.3 seconds."


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the bytes")
def test_stray_answers_are_not_taken(
    make_transport: MakeTransport, serve: Serve, authority: trustme.CA, bundle: Path
) -> None:
    """A second response that TLS has read together with the first is not taken for the next one."""
    asked = threading.Event()

    def talk(connection: Connection) -> None:
        connection.read_request()
        connection.send(OK)
        connection.send(b"HTTP/1.1 299 Stray\r\nContent-Length: 0\r\n\r\n")
        # What it says to this request comes too late.
        connection.read_request()
        asked.wait(10)

    server = serve(talk, tls=server_context(authority, "127.0.0.1"))
    http_client = make_transport(ca_bundle=bundle)
    assert get(http_client, server.url).status_code == 200
    stray = get(http_client, server.url)
    asked.set()
    assert stray.status_code != 299


def test_http2_where_the_receiver_offers_it(
    make_transport: MakeTransport, serve: Serve, authority: trustme.CA, bundle: Path
) -> None:
    """A receiver that speaks HTTP/2 over TLS gets it, over one connection, with the same result."""
    context = server_context(authority, "127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    server = serve(speaks_http2, tls=context)
    http_client = make_transport(ca_bundle=bundle)
    for _ in range(2):
        response = get(http_client, server.url)
        assert (response.error, response.status_code, response.body) == ("", 200, "ok")
    assert server.accepted == 1


def speaks_http2(connection: Connection) -> None:
    """Answer each request with 200 and a body, in HTTP/2 of RFC 9113."""
    assert connection.read(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    connection.send(frame(SETTINGS, 0, 0))
    while header := connection.read(9):
        kind, stream = header[3], header[5:9]
        connection.read(int.from_bytes(header[:3], "big"))
        if kind == HEADERS:
            number = int.from_bytes(stream, "big")
            # Entry 8 of HPACK's static table is :status 200.
            head = frame(HEADERS, END_HEADERS, number, b"\x88")
            connection.send(head + frame(DATA, END_STREAM, number, b"ok"))


DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame of HTTP/2."""
    length = len(payload).to_bytes(3, "big")
    return length + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
