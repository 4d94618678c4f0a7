"""One request over real sockets: its head, byte for byte."""

import pytest

from callevents.delivery.http.client import HttpClient
from callevents.delivery.request.build import Request
from callevents.enums import Method
from tests.delivery.conftest import MakeTransport, Serve
from tests.support.raw_server import keeps_alive


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://crm.invalid/", "crm.invalid"),
        ("http://crm.invalid:80/", "crm.invalid"),
        ("http://crm.invalid:443/", "crm.invalid:443"),
        ("http://[2606:4700::1111]:8080/", "[2606:4700::1111]:8080"),
        ("http://ana:secret@crm.invalid/", "crm.invalid"),
    ],
)
def test_host_of_the_head(make_transport: MakeTransport, serve: Serve, url: str, host: str) -> None:
    """The Host header follows RFC 9110: no default port, no user info."""
    proxy = serve(keeps_alive)
    request = Request(Method.GET, url, {"Accept": "*/*"})
    assert make_transport(proxy_url=proxy.url).send(request).is_success
    assert proxy.requests == [
        f"GET {url} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
        "Accept: */*\r\n\r\n".encode()
    ]


@pytest.mark.parametrize(
    ("method", "body", "lines"),
    [
        (Method.GET, "", []),
        (Method.POST, "", ["Content-Length: 0"]),
        (Method.POST, "é=1", ["Content-Length: 4"]),
    ],
)
def test_libcurl_adds_nothing(
    http_client: HttpClient, serve: Serve, method: Method, body: str, lines: list[str]
) -> None:
    """A request without headers has those that HTTP demands, and no encoding is accepted."""
    server = serve(keeps_alive)
    assert http_client.send(Request(method, server.url, body=body)).is_success
    head, _, sent = server.requests[0].decode().partition("\r\n\r\n")
    added = [f"Host: 127.0.0.1:{server.port}", "Accept-Encoding: identity", *lines]
    assert sorted(head.split("\r\n")[1:]) == sorted(added)
    assert sent == body


def test_own_headers_replace_ours(http_client: HttpClient, serve: Serve) -> None:
    """A header that the request has is sent once, even if it is empty."""
    server = serve(keeps_alive)
    headers = {"HOST": "b", "accept-encoding": "gzip", "expect": "x", "X-Empty": "", "X-A": "a;b"}
    assert http_client.send(Request(Method.GET, server.url + "/", headers)).is_success
    head = server.requests[0].decode().split("\r\n\r\n")[0]
    assert sorted(head.split("\r\n")) == [
        *("GET / HTTP/1.1", "Host: b", "X-A: a;b", "X-Empty:", "accept-encoding: gzip"),
        "expect: x",
    ]


@pytest.mark.parametrize("method", Method)
def test_methods_do_not_mix(http_client: HttpClient, serve: Serve, method: Method) -> None:
    """A connection's earlier request leaves nothing behind in the next one."""
    server = serve(keeps_alive)
    for one in (Method.POST, Method.GET, method):
        body = "a=1" if one is Method.POST else ""
        assert http_client.send(Request(one, server.url, body=body)).is_success
    assert server.accepted == 1
    last = server.requests[-1]
    assert last.startswith(f"{method} / HTTP/1.1\r\n".encode())
    assert last.endswith(b"a=1" if method is Method.POST else b"\r\n\r\n")


@pytest.mark.parametrize("bad", ["a\r\nX: b", "a\nb", "a\rb", "a\0b"])
def test_line_ends_are_refused(http_client: HttpClient, serve: Serve, bad: str) -> None:
    """No value and no target can start a new line, or end early."""
    server = serve(keeps_alive)
    for request in (
        Request(Method.GET, server.url, {"X": bad}),
        Request(Method.GET, f"{server.url}/{bad}"),
    ):
        assert http_client.send(request).error == (
            "The request failed: a header contains a line break"
        )
    assert server.accepted == 0


def test_paths_are_sent_as_they_are(http_client: HttpClient, serve: Serve) -> None:
    """Dot segments, doubled slashes and escapes are not normalised."""
    server = serve(keeps_alive)
    targets = ["/a/../b/./c", "//x//y", "/%2e%2E/%7e%2f", "/a?b?c=/../", "/;a=b,c:@!$&'()*+[]"]
    for target in targets:
        assert http_client.send(Request(Method.GET, server.url + target)).is_success
    assert [request.split(b" ")[1].decode() for request in server.requests] == targets
