"""Methods of requests on the wire, each on the connection of the one before."""

from itertools import product

import pytest

from callevents.delivery.http.client import HttpClient
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.enums import BodyFormat, Method
from tests.delivery.conftest import Serve
from tests.support.raw_server import keeps_alive


def send(http_client: HttpClient, url: str, method: Method, body_format: BodyFormat) -> None:
    """Send a request with one parameter, or with a template."""
    template = RequestTemplate(method, url, body_format, body_template='{"a": "{CallID}"}')
    response = http_client.send(build_request(template, [("CallID", "c1")]))
    assert response.is_success


@pytest.mark.parametrize(("before", "method"), list(product(Method, Method)))
def test_methods(http_client: HttpClient, serve: Serve, before: Method, method: Method) -> None:
    """PUT and PATCH have a body as POST has; DELETE and GET have their parameters in the query."""
    server = serve(keeps_alive)
    send(http_client, server.url, before, BodyFormat.FORM)
    send(http_client, server.url, method, BodyFormat.FORM)
    head, _, body = server.requests[1].decode().partition("\r\n\r\n")
    assert server.accepted == 1
    names = {line.partition(":")[0] for line in head.split("\r\n")[1:]}
    has_query = method in {Method.GET, Method.DELETE}
    assert head.startswith(f"{method} /{'?CallID=c1' if has_query else ''} HTTP/1.1\r\n")
    assert body == ("" if has_query else "CallID=c1")
    assert ({"Content-Length", "Content-Type"} <= names) == (not has_query)


@pytest.mark.parametrize("method", sorted(set(Method) - {Method.GET}))
def test_templates(http_client: HttpClient, serve: Serve, method: Method) -> None:
    """All methods but GET send a body from a template, and nothing in the query."""
    server = serve(keeps_alive)
    send(http_client, server.url, Method.DELETE, BodyFormat.FORM)
    send(http_client, server.url, method, BodyFormat.TEMPLATE)
    head, _, body = server.requests[1].decode().partition("\r\n\r\n")
    assert head.startswith(f"{method} / HTTP/1.1\r\n")
    assert "Content-Type: application/json\r\n" in head
    assert "Content-Length: 11" in head
    assert body == '{"a": "c1"}'
