"""One attempt over real sockets: which addresses are tried, and which refused."""

import socket
from typing import Any

import pytest

from callevents.delivery.http import handle
from callevents.delivery.http.client import HttpClient
from callevents.delivery.request.url import check_url
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.http.sending import TOO_LONG, full_listener, get
from tests.support.raw_server import OK, OK_AND_CLOSE, answers, keeps_alive


class Names:
    """The name many.test, whose addresses its owner can change at any time."""

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        #: How often it was looked up.
        self.lookups = 0

    def __call__(self, *addresses: str) -> None:
        """Set the addresses."""
        self.addresses = addresses


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Lets the system's resolver know the name many.test."""
    names, ask = Names(), socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        if host != "many.test":
            return ask(host, port, *args, **options)
        if options.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME)
        names.lookups += 1
        return [one for address in names.addresses for one in ask(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_next_address_is_tried(http_client: HttpClient, serve: Serve, resolves: Names) -> None:
    """If the first address refuses or is blocked, the next one is tried."""
    server = serve(answers(OK_AND_CLOSE), host="127.0.0.9")
    for first in ("127.0.0.1", "10.0.0.1"):
        resolves(first, "127.0.0.9")
        assert get(http_client, f"http://many.test:{server.port}/").is_success
    assert server.accepted == 2


def test_address_is_checked_when_the_socket_opens(
    make_transport: MakeTransport, serve: Serve, resolves: Names
) -> None:
    """A name that changes to a blocked address is blocked from then on."""
    http_client = make_transport(allowed_networks="127.0.0.9/32")
    server = serve(answers(OK), host="127.0.0.9")
    inside = serve(answers(OK))
    resolves("127.0.0.9")
    assert get(http_client, f"http://many.test:{server.port}/").is_success
    resolves("127.0.0.1")
    response = get(http_client, f"http://many.test:{inside.port}/")
    assert response.error == (
        "The address 127.0.0.1 is loopback; requests to it are blocked. To allow it, add its "
        "network to CALLEVENTS_ALLOWED_NETWORKS."
    )
    assert inside.accepted == 0


def test_all_addresses_share_the_total_time(make_transport: MakeTransport, resolves: Names) -> None:
    """A name with many unreachable addresses gets one total timeout."""
    http_client = make_transport(connect_timeout_seconds=5, total_timeout_seconds=0.2)
    resolves("127.0.0.1", "127.0.0.9")
    with full_listener() as port, full_listener("127.0.0.9", port):
        response = get(http_client, f"http://many.test:{port}/")
    assert response.error == TOO_LONG
    assert response.is_unreachable


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxy"])
def test_each_new_connection_looks_the_name_up(
    make_transport: MakeTransport, serve: Serve, resolves: Names, proxied: bool
) -> None:
    """A name is looked up for each connection, and not for each request over it."""
    for talk, lookups in ((keeps_alive, 1), (answers(OK_AND_CLOSE), 4)):
        server = serve(talk)
        peer = f"http://many.test:{server.port}"
        http_client = make_transport(proxy_url=peer) if proxied else make_transport()
        resolves("127.0.0.1")
        before = resolves.lookups
        for _ in range(3):
            assert get(http_client, "http://127.0.0.1:81/" if proxied else peer).is_success
        resolves("127.0.0.2", "127.0.0.1")
        assert get(http_client, "http://127.0.0.1:81/" if proxied else peer).is_success
        assert resolves.lookups - before == lookups


def test_old_connections_are_not_used(
    http_client: HttpClient, serve: Serve, resolves: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was idle for too long is closed, and the name looked up again."""
    server = serve(keeps_alive)
    resolves("127.0.0.1")
    for age, accepted in ((100.0, 1), (100.0, 1), (0.0, 2), (0.0, 3), (100.0, 3)):
        monkeypatch.setattr(handle, "MAX_IDLE_SECONDS", age)
        assert get(http_client, f"http://many.test:{server.port}/").is_success
        assert resolves.lookups == server.accepted == accepted


def test_ports_of_allowed_networks(make_transport: MakeTransport, serve: Serve) -> None:
    """A network that is allowed with a port is open at that port only."""
    allowed, other = serve(keeps_alive), serve(keeps_alive)
    http_client = make_transport(allowed_networks=f"127.0.0.0/8:{allowed.port}")
    assert get(http_client, allowed.url).is_success
    assert get(http_client, other.url).error == (
        "The address 127.0.0.1 is loopback; requests to it are blocked. To allow it, add its "
        f"network with port {other.port} to CALLEVENTS_ALLOWED_NETWORKS."
    )
    assert other.accepted == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0"),
        *("2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0x7f000001", "[::]", "0"),
        *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021"),
    ],
)
def test_loopback_is_refused_however_it_is_written(
    make_transport: MakeTransport, serve: Serve, host: str
) -> None:
    """No spelling of this machine gets a request through to what listens here."""
    server = serve(answers(OK))
    url = check_url(f"http://{host}:{server.port}/").url
    response = get(make_transport(allowed_networks=""), url)
    assert " is loopback; " in response.error or " is unspecified; " in response.error
    assert response.error.endswith("network to CALLEVENTS_ALLOWED_NETWORKS.")
    assert server.accepted == 0


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "127.1"])
def test_allowed_loopback_is_reached(http_client: HttpClient, serve: Serve, host: str) -> None:
    """With its network allowed, the same spellings arrive."""
    server = serve(answers(OK))
    assert get(http_client, f"http://{host}:{server.port}/").is_success


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("169.254.169.254", "link-local"),
        ("10.0.0.1", "private"),
        ("192.168.1.1", "private"),
        ("[fe80::1]", "link-local"),
        ("[fd00::1]", "private"),
        ("[64:ff9b::a9fe:a9fe]", "link-local"),
        ("[2002:7f00:1::]", "loopback"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "private"),
    ],
)
def test_other_refused_addresses(make_transport: MakeTransport, host: str, kind: str) -> None:
    """Addresses that are not on the public internet are refused before a packet is sent."""
    response = get(make_transport(allowed_networks=""), f"http://{host}/")
    assert f" is {kind}; requests to it are blocked." in response.error


@pytest.mark.parametrize("host", ["nosuch.invalid", "a" * 63 + "." + "b" * 63 + ".invalid"])
def test_unknown_host(http_client: HttpClient, host: str) -> None:
    """The error says that a name has no address."""
    assert get(http_client, f"http://{host}/").error == (
        "The host name does not resolve to an address."
    )
