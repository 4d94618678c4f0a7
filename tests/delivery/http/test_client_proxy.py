"""Attempts through a proxy: which requests it gets, which it does not, and what it refuses."""

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import Method
from tests.delivery.conftest import MakeTransport, Serve
from tests.support.ports import find_free_port
from tests.support.raw_server import OK, Connection, RawServer, Talk, answers, hangs, keeps_alive

#: Resolves nowhere, RFC 6761.
ELSEWHERE = "crm.invalid"


def send(http_client: HttpClient, url: str, method: Method = Method.GET) -> Response:
    """Send a request."""
    return http_client.send(build_request(RequestTemplate(method, url), [("CallerIDName", "é/")]))


def tunnels_to(server: RawServer) -> Talk:
    """Return a proxy that opens a tunnel to the server for any host."""

    def talk(connection: Connection) -> None:
        connection.read_request()
        with socket.create_connection(("127.0.0.1", server.port)) as far:
            connection.send(b"HTTP/1.1 200 Connected\r\n\r\n")
            near = connection._sock
            back = threading.Thread(target=pipe, args=(far, near))
            back.start()
            pipe(near, far)
            back.join()

    return talk


def pipe(source: socket.socket, target: socket.socket) -> None:
    """Forward all bytes until one side closes."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """A file with the authority."""
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def test_requests_without_tls_are_forwarded(make_transport: MakeTransport, serve: Serve) -> None:
    """The proxy gets the whole URL with its escapes, the host and its own credentials."""
    proxy = serve(keeps_alive)
    http_client = make_transport(
        allowed_networks="", proxy_url=proxy.url.replace("//", "//ana:p%40ss@")
    )
    for method in (Method.GET, Method.POST):
        assert send(http_client, f"http://{ELSEWHERE}:81/a%2fb?x=%7e", method).error == ""
    get, post = (request.decode().split("\r\n") for request in proxy.requests)
    assert get[0] == f"GET http://{ELSEWHERE}:81/a%2fb?x=%7e&CallerIDName=%C3%A9%2F HTTP/1.1"
    assert post[0] == f"POST http://{ELSEWHERE}:81/a%2fb?x=%7e HTTP/1.1"
    assert post[-1] == "CallerIDName=%C3%A9%2F"
    credentials = base64.b64encode(b"ana:p@ss").decode()
    for lines in (get, post):
        assert f"Host: {ELSEWHERE}:81" in lines
        assert f"Proxy-Authorization: Basic {credentials}" in lines
    assert proxy.accepted == 1


def test_requests_with_tls_go_through_a_tunnel(
    make_transport: MakeTransport, serve: Serve, authority: trustme.CA, bundle: Path
) -> None:
    """The proxy is asked for the host only; the receiver's certificate is verified behind it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(ELSEWHERE).configure_cert(context)
    receiver = serve(keeps_alive, tls=context)
    proxy = serve(tunnels_to(receiver))
    http_client = make_transport(proxy_url=proxy.url.replace("//", "//ana:x@"), ca_bundle=bundle)
    assert [send(http_client, f"https://{ELSEWHERE}/p").error for _ in range(2)] == ["", ""]
    [asked] = proxy.requests
    assert asked.startswith(f"CONNECT {ELSEWHERE}:443 HTTP/1.".encode())
    assert b"Proxy-Authorization: Basic" in asked
    assert [request.split(b" ")[1] for request in receiver.requests] == [
        b"/p?CallerIDName=%C3%A9%2F",
        b"/p?CallerIDName=%C3%A9%2F",
    ]
    assert not any(b"Proxy-Authorization" in request for request in receiver.requests)
    wrong = send(http_client, "https://other.invalid/p").error
    assert wrong.startswith("The TLS certificate is not valid: ")


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::1]", "2130706433", "0177.0.0.1", "localhost", "10.0.0.1"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_forbidden_addresses_are_not_asked_for(
    make_transport: MakeTransport, serve: Serve, host: str, scheme: str
) -> None:
    """Addresses in any form, and names that resolve here to one, are refused before the proxy."""
    proxy = serve(answers(OK))
    http_client = make_transport(allowed_networks="", proxy_url=proxy.url)
    response = send(http_client, f"{scheme}://{host}/")
    assert "requests to it are blocked" in response.error
    assert not response.is_unreachable
    assert proxy.accepted == 0


def test_allowed_networks_are_allowed_through_a_proxy(
    make_transport: MakeTransport, serve: Serve
) -> None:
    """Allowed networks are requested through the proxy."""
    proxy = serve(answers(OK))
    http_client = make_transport(allowed_networks="10.0.0.0/8", proxy_url=proxy.url)
    assert send(http_client, "http://10.0.0.1/").error == ""


def test_proxy_that_refuses_or_is_away(make_transport: MakeTransport, serve: Serve) -> None:
    """The error distinguishes the proxy from the receiver."""
    proxy = serve(answers(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    error = send(make_transport(proxy_url=proxy.url), f"https://{ELSEWHERE}/").error
    assert error == (
        "The proxy (CALLEVENTS_PROXY_URL) refused the connection: "
        "407 Proxy Authentication Required."
    )
    away = f"http://127.0.0.1:{find_free_port()}"
    for scheme in ("http", "https"):
        response = send(make_transport(proxy_url=away), f"{scheme}://{ELSEWHERE}/")
        assert response.error == ("Cannot connect to the proxy (CALLEVENTS_PROXY_URL).")
        assert response.is_unreachable


def test_silent_proxies_are_limited_in_time(make_transport: MakeTransport, serve: Serve) -> None:
    """A proxy that never responds times out like a receiver."""
    proxy = serve(hangs)
    times = {"connect_timeout_seconds": 2, "read_timeout_seconds": 0.5}
    http_client = make_transport(proxy_url=proxy.url, **times)
    assert send(http_client, f"http://{ELSEWHERE}/").error == "No response within 0.5 seconds."
    response = send(http_client, f"https://{ELSEWHERE}/")
    assert response.error
    assert response.is_unreachable


def test_proxies_of_the_environment_are_not_used(
    http_client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only our own setting sends requests elsewhere."""
    receiver, proxy = serve(answers(OK)), serve(answers(OK))
    monkeypatch.setenv("http_proxy", proxy.url)
    assert send(http_client, receiver.url).error == ""
    assert (len(receiver.requests), len(proxy.requests)) == (1, 0)
