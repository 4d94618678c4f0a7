"""Opens the connection to a PBX, and checks its address and certificate."""

import socket
import ssl
from ipaddress import ip_address

from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from callevents.config import AllowedNetwork
from callevents.config.settings import Settings
from callevents.delivery.http.address_check import METADATA, AddressRefusedError, check_address
from callevents.vendors.tracking.session import PortClosedError, SessionError

CONNECT_TIMEOUT_SECONDS = 5.0
#: PBXs are in private networks or on this host. Not allowed: for example link-local addresses,
#: where clouds serve secrets.
PBX_NETWORKS: tuple[AllowedNetwork, ...] = tuple(
    map(
        AllowedNetwork.parse,
        (
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "::1/128",
            "fc00::/7",
        ),
    )
)


def open_connection(host: str, port: int, *, uses_tls: bool, settings: Settings) -> socket.socket:
    """Return a connected socket; raises SessionError with a message for users."""
    sock = _connect(host, port, settings)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return _encrypt(sock, host, settings) if uses_tls else sock


def _connect(host: str, port: int, settings: Settings) -> socket.socket:
    error = SessionError(f"Cannot resolve the host name {host}. Check the host.")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise error from None
    for address in dict.fromkeys(str(info[4][0]) for info in addresses):
        try:
            _check_address(address, port, settings)
            return socket.create_connection((address, port), CONNECT_TIMEOUT_SECONDS)
        except AddressRefusedError as refused:
            error = SessionError(str(refused))
        except OSError as failure:
            kind = PortClosedError if isinstance(failure, ConnectionRefusedError) else SessionError
            error = kind(f"Cannot connect to {host}, port {port}: {_describe(failure)}.")
    raise error


def _check_address(text: str, port: int, settings: Settings) -> None:
    """Raise AddressRefusedError unless connectors may connect to the address."""
    address = ip_address(text.partition("%")[0])
    # The system sends packets for such an IPv6 address to the IPv4 address.
    address = getattr(address, "ipv4_mapped", None) or address
    if address in METADATA:
        raise AddressRefusedError(
            f"{text} is an address where clouds serve secrets. No connector may use it."
        )
    only = settings.connector_networks
    if only and not any(
        network.contains(address) and network.port in {None, port} for network in only
    ):
        raise AddressRefusedError(
            f"The address {text} is not in CALLEVENTS_CONNECTOR_NETWORKS, so no connector may use "
            "it."
        )
    check_address(text, port, (*PBX_NETWORKS, *settings.allowed_networks, *only))


def _encrypt(sock: socket.socket, host: str, settings: Settings) -> socket.socket:
    context = ssl.create_default_context(cafile=settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        reason = f"the certificate is not trusted ({error.verify_message})"
    except TimeoutError:
        reason = "timed out"
    except OSError as error:
        reason = f"the port may not use TLS ({_describe(error)})"
    sock.close()
    raise SessionError(f"TLS connection to {host} failed: {reason}.")


def _describe(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "error").replace("_", " ").lower()
    return (error.strerror or str(error)).lower()
