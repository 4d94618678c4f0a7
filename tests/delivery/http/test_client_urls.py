"""One attempt over real sockets: the URL arrives as it was written."""

import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from callevents.config.settings import Settings
from callevents.delivery.http.client import HttpClient
from callevents.delivery.request.build import RequestTemplate, build_request
from callevents.delivery.request.url import check_url
from callevents.enums import Method
from callevents.errors import InvalidError
from tests.support.raw_server import RawServer, keeps_alive

LEGAL = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?"
pieces = st.sampled_from([*LEGAL, "[", "]", "%41", "%2f", "%7E", "%C3%a9", "%20", "%00", "%25"])
odd_pieces = pieces | st.sampled_from(list('%|^`{}"<>éü日🙂\u0301')) | st.just("%zz")
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("+&=%#; "))


@contextmanager
def own_line() -> Iterator[tuple[RawServer, HttpClient]]:
    """Yield a server that keeps connections and an HTTP client, for many requests."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RawServer(keeps_alive) as server,
    ):
        http_client = HttpClient(
            Settings(data_dir=Path(folder), allowed_networks="127.0.0.0/8")  # type: ignore[arg-type]
        )
        yield server, http_client
        http_client.close()


@pytest.mark.slow
def test_urls_of_legal_characters_are_kept_byte_for_byte() -> None:
    """Path and query arrive exactly as they were configured, with the parameters behind them."""
    with own_line() as (server, http_client):

        @given(st.lists(pieces).map("".join), values)
        def holds(tail: str, value: str) -> None:
            request = build_request(
                RequestTemplate(Method.GET, f"{server.url}/{tail}"), [("CallerIDName", value)]
            )
            assert http_client.send(request).is_success
            target = server.requests[-1].split(b" ")[1].decode("ascii")
            assert target.startswith(f"/{tail}")
            assert request.url == server.url + target, "what is recorded is what was sent"
            query = target.partition("?")[2]
            assert parse_qsl(query, keep_blank_values=True)[-1] == ("CallerIDName", value)

        holds()


@pytest.mark.slow
def test_odd_urls_cost_no_parameter() -> None:
    """Whatever a URL has that the rules let pass, the parameters arrive as they were."""
    with own_line() as (server, http_client):

        @given(st.lists(odd_pieces).map("".join), values, st.sampled_from(Method))
        def holds(tail: str, value: str, method: Method) -> None:
            try:
                url = check_url(f"{server.url}/{tail}").url
            except InvalidError:
                reject()
            request = build_request(RequestTemplate(method, url), [("CallerIDName", value)])
            assert http_client.send(request).is_success
            sent_head, _, body = server.requests[-1].decode("ascii").partition("\r\n\r\n")
            target = sent_head.split(" ")[1]
            assert request.url == server.url + target, "what is recorded is what was sent"
            in_query = method in {Method.GET, Method.DELETE}
            form = target.partition("?")[2] if in_query else body
            assert parse_qsl(form, keep_blank_values=True)[-1] == ("CallerIDName", value)

        holds()
