"""Where a connector may connect: checked for the address at each connect."""

import socket
from collections.abc import Iterator

import pytest

from callevents.config.settings import Settings, load_settings
from callevents.processes.listener.connect import open_connection
from callevents.vendors.tracking.session import PortClosedError, SessionError
from tests.support.ports import find_free_port


@pytest.fixture
def pbx_port() -> Iterator[int]:
    """The port of a PBX on this machine, at both loopback addresses of IPv4 that are used here."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("networks", "host"),
    [
        ("", "127.0.0.1"),
        ("", "localhost"),
        ("127.0.0.1/32", "127.0.0.1"),
        ("10.0.0.0/8, 127.0.0.0/8", "127.0.0.2"),
        ("127.0.0.0/8", "localhost"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
    ],
)
def test_allowed(pbx_port: int, networks: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default private networks and this machine, else the networks of the setting."""
    monkeypatch.setenv("CALLEVENTS_CONNECTOR_NETWORKS", networks)
    with open_connection(host, pbx_port, uses_tls=False, settings=load_settings()) as connection:
        assert connection.getpeername()[1] == pbx_port


@pytest.mark.parametrize(
    ("networks", "host"),
    [
        ("10.0.0.0/8", "127.0.0.1"),
        ("10.0.0.0/8", "localhost"),
        ("127.0.0.2/32", "127.0.0.1"),
        ("127.0.0.2/32", "::ffff:127.0.0.1"),
        ("::1/128", "127.0.0.1"),
    ],
)
def test_outside_the_networks_of_the_setting(
    pbx_port: int, networks: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another address is refused, and named with the setting."""
    monkeypatch.setenv("CALLEVENTS_CONNECTOR_NETWORKS", networks)
    monkeypatch.setenv("CALLEVENTS_ALLOWED_NETWORKS", "127.0.0.0/8")
    with pytest.raises(SessionError, match="is not in CALLEVENTS_CONNECTOR_NETWORKS"):
        open_connection(host, pbx_port, uses_tls=False, settings=load_settings())


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"])
@pytest.mark.parametrize("networks", ["", "0.0.0.0/0,::/0", "169.254.169.254/32,fd00:ec2::254/128"])
def test_metadata_addresses_never(
    host: str, networks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where clouds serve secrets no connector connects to, whatever the settings say."""
    for name in ("CONNECTOR_NETWORKS", "ALLOWED_NETWORKS"):
        monkeypatch.setenv(f"CALLEVENTS_{name}", networks)
    with pytest.raises(SessionError, match="is an address where clouds serve secrets"):
        open_connection(host, 80, uses_tls=False, settings=load_settings())


@pytest.mark.parametrize("host", ["169.254.1.1", "0.0.0.0", "224.0.0.1"])
def test_special_addresses(host: str) -> None:
    """Without a setting, link-local and other special addresses stay refused."""
    with pytest.raises(SessionError, match="requests to it are blocked"):
        open_connection(host, 80, uses_tls=False, settings=Settings())


def test_closed_port_is_told_from_other_problems() -> None:
    """A port on which nothing listens is tried again sooner than a host that cannot be resolved."""
    with pytest.raises(PortClosedError, match="connection refused"):
        open_connection("127.0.0.1", find_free_port(), uses_tls=False, settings=load_settings())
    with pytest.raises(SessionError, match="Cannot resolve") as caught:
        open_connection("nowhere.invalid", 5038, uses_tls=False, settings=load_settings())
    assert not caught.value.is_port_closed
