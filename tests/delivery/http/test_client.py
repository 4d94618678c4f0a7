"""One attempt over real sockets: what counts as success, and how connections are used."""

import threading

import pytest

from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import Method
from tests.delivery.conftest import Serve
from tests.delivery.http.sending import get, head
from tests.support.raw_server import OK, answers, hangs, keeps_alive
from tests.support.waiting import wait_until


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content", "299 Custom"])
def test_any_2xx_is_success(http_client: HttpClient, serve: Serve, status: str) -> None:
    """Every 2xx is a success; the response's head is stored."""
    server = serve(answers(head(status, "X-Id: 7", "Content-Length: 0")))
    response = get(http_client, server.url)
    assert response.is_success
    assert (response.error, response.status_code) == ("", int(status[:3]))
    assert response.headers == [["X-Id", "7"], ["Content-Length", "0"]]
    assert response.duration_ms >= 0


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("500 Oops", "The receiver returned 500 Internal Server Error."),
        ("404 Not Found", "The receiver returned 404 Not Found."),
        ("599 Odd", "The receiver returned 599."),
        ("999 Odd", "The receiver returned 999."),
        ("304 Not Modified", "The receiver returned 304 Not Modified."),
    ],
)
def test_other_statuses_are_failures(
    http_client: HttpClient, serve: Serve, status: str, sentence: str
) -> None:
    """Everything but 2xx fails with the status in the error, and keeps the body."""
    server = serve(answers(head(status) + b"why"))
    response = get(http_client, server.url)
    assert not response.is_success
    assert (response.error, response.status_code) == (sentence, int(status[:3]))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
def test_redirects_are_named_and_not_followed(
    http_client: HttpClient, serve: Serve, status: str
) -> None:
    """A redirect fails with its target in the error, and is not followed."""
    target = serve(answers(OK))
    server = serve(answers(head(status, f"Location: {target.url}/in", "Content-Length: 0")))
    response = get(http_client, server.url)
    assert (
        response.error == f"The receiver redirects to {target.url}/in; redirects are not followed."
    )
    assert response.status_code == int(status[:3])
    assert target.accepted == 0


def test_connections_are_used_again(http_client: HttpClient, serve: Serve) -> None:
    """Requests one after the other to one receiver use one connection."""
    server = serve(keeps_alive)
    for _ in range(3):
        assert get(http_client, server.url).is_success
    assert (server.accepted, len(server.requests)) == (1, 3)


def test_closed_connection_is_replaced(http_client: HttpClient, serve: Serve) -> None:
    """An idle connection that the receiver has closed costs no attempt."""
    server = serve(answers(OK))
    for count in range(1, 4):
        assert get(http_client, server.url).is_success
        wait_until(lambda count=count: server.ended == count, "the end of the connection")
    assert server.accepted == 3


def test_bytes_on_the_wire(http_client: HttpClient, serve: Serve) -> None:
    """A POST has its form in the body; a GET has no body; neither has anything of ours beside."""
    server = serve(keeps_alive)
    http_client.send(
        build_request(
            RequestTemplate(Method.POST, server.url + "/cdr?a=1"), [("CallerIDNum", "+40 21")]
        )
    )
    get(http_client, server.url + "/pop")
    post, plain = (request.decode().split("\r\n") for request in server.requests)
    host = f"Host: 127.0.0.1:{server.port}"
    assert (post[0], post[-1]) == ("POST /cdr?a=1 HTTP/1.1", "CallerIDNum=%2B40%2021")
    assert sorted(post[1:-2]) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Content-Length: 22",
        "Content-Type: application/x-www-form-urlencoded",
        host,
        "User-Agent: CallEvents/1.0",
    ]
    assert plain[0] == "GET /pop?CallID=c1 HTTP/1.1"
    assert sorted(line for line in plain[1:] if line) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        host,
        "User-Agent: CallEvents/1.0",
    ]


def test_environment_has_no_influence(
    http_client: HttpClient, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy nor a .netrc of the machine takes part."""
    server, proxy = serve(keeps_alive), serve(answers(OK))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert get(http_client, server.url).is_success
    assert (proxy.accepted, server.accepted) == (0, 1)


def test_interrupt_ends_running_attempts(http_client: HttpClient, serve: Serve) -> None:
    """Interrupting aborts hanging attempts, and those that begin later."""
    server = serve(hangs)
    found: list[Response] = []
    threads = [
        threading.Thread(target=lambda: found.append(get(http_client, server.url)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    server.wait_for_requests(3)
    http_client.interrupt()
    for thread in threads:
        thread.join()
    found.append(get(http_client, server.url))
    assert [response.error for response in found] == ["The worker stopped during this attempt."] * 4
