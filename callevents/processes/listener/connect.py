"""The connection to a PBX: opened with a check of the address and of the certificate."""

import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_network

from requests.adapters import DEFAULT_CA_BUNDLE_PATH

from callevents.config import Network
from callevents.config.settings import Settings
from callevents.delivery.http.address_check import AddressRefusedError, check_address
from callevents.vendors.tracking.session import SessionError

CONNECT_SECONDS = 5.0
#: PBXs stand in private networks, or beside us. What is left out, such as link-local addresses
#: with a cloud's secrets, is no PBX.
PBX_NETWORKS: tuple[Network, ...] = tuple(
    map(
        ip_network,
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


def open_link(host: str, port: int, *, uses_tls: bool, settings: Settings) -> socket.socket:
    """Return a connection; raises SessionError with a sentence."""
    sock = _connect(host, port, (*PBX_NETWORKS, *settings.allowed_networks))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return _encrypt(sock, host, settings) if uses_tls else sock


def _connect(host: str, port: int, allowed: Iterable[Network]) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SessionError(f"The name {host} has no address. Check the host.") from None
    reason = ""
    for address in dict.fromkeys(str(info[4][0]) for info in found):
        try:
            check_address(address, allowed)
            return socket.create_connection((address, port), CONNECT_SECONDS)
        except AddressRefusedError as error:
            reason = str(error)
        except OSError as error:
            reason = f"{host}, port {port}, cannot be reached: {_words(error)}."
    raise SessionError(reason)


def _encrypt(sock: socket.socket, host: str, settings: Settings) -> socket.socket:
    context = ssl.create_default_context(cafile=settings.ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        reason = f"its certificate is not trusted ({error.verify_message})"
    except TimeoutError:
        reason = "it did not answer in time"
    except OSError as error:
        reason = f"it may not speak TLS at this port ({_words(error)})"
    sock.close()
    raise SessionError(f"No TLS with {host}: {reason}.")


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "error").replace("_", " ").lower()
    return (error.strerror or str(error)).lower()
