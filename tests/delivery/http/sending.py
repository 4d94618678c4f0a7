"""Helpers to send one request, a full accept queue, and error messages of attempts."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from callevents.delivery.http.client import HttpClient, Response
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import Method

CLOSED_EARLY = "The receiver closed the connection before it responded."
NO_HTTP = "The response is not valid HTTP."
TOO_LONG = "The attempt took too long in total and was aborted."


def get(http_client: HttpClient, url: str) -> Response:
    """Send a GET with one parameter."""
    return http_client.send(build_request(RequestTemplate(Method.GET, url), [("CallID", "c1")]))


def head(status: str, *lines: str) -> bytes:
    """Return a response's head."""
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


@contextmanager
def full_listener(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield the port of a listener whose accept queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
