"""Idle connections: used again by whoever needs them, and bounded."""

import pytest

from callevents.delivery.http import pool
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.http.sending import get
from tests.support.raw_server import keeps_alive
from tests.support.waiting import wait_until


def test_idle_connections_are_bounded(
    make_transport: MakeTransport, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit, the connection to the origin that was idle the longest is closed."""
    monkeypatch.setattr(pool, "MAX_IDLE_HANDLES", 2)
    http_client = make_transport()
    servers = [serve(keeps_alive) for _ in range(3)]
    for server in (*servers[:2], servers[0], servers[2]):
        assert get(http_client, server.url).is_success
    wait_until(lambda: servers[1].ended == 1, "the end of the oldest connection")
    for server in servers[::2]:
        assert get(http_client, server.url).is_success
    assert [server.accepted for server in servers] == [1, 1, 1]


def test_closing_ends_idle_connections(make_transport: MakeTransport, serve: Serve) -> None:
    """A client that is closed leaves no connection open, and opens no other."""
    http_client = make_transport()
    server = serve(keeps_alive)
    assert get(http_client, server.url).is_success
    http_client.close()
    wait_until(lambda: server.ended == 1, "the end of the connection")
    assert get(http_client, server.url).error == "The worker stopped during this attempt."
    assert server.accepted == 1
