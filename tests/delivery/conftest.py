"""What the tests of delivering share: servers of raw bytes, transports, due deliveries."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callevents.config import Settings
from callevents.delivery.transport import Transport
from tests.delivery.raw import RawServer, Talk

Serve = Callable[..., RawServer]
MakeTransport = Callable[..., Transport]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers of raw bytes, which end with the test."""
    servers: list[RawServer] = []

    def serve(
        talk: Talk, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> RawServer:
        servers.append(RawServer(talk, host=host, tls=tls))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def make_transport(tmp_path: Path) -> Iterator[MakeTransport]:
    """Makes transports with such settings, loopback allowed unless something else is said."""
    transports: list[Transport] = []

    def make(**settings: object) -> Transport:
        values: dict[str, object] = {
            "data_dir": tmp_path,
            "allowed_networks": "127.0.0.0/8",
            "connect_timeout_seconds": 5,
            "read_timeout_seconds": 10,
            "total_timeout_seconds": 20,
            **settings,
        }
        transports.append(Transport(Settings(**values)))  # type: ignore[arg-type]
        return transports[-1]

    yield make
    for transport in transports:
        transport.close()


@pytest.fixture
def transport(make_transport: MakeTransport) -> Transport:
    """A patient transport that may go to loopback."""
    return make_transport()
