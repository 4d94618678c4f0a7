"""Settings of requests: allowed networks, timeouts, certificates, proxy."""

import re
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup

_MAPPED = IPv6Network("::ffff:0:0/96")
#: A network in brackets or of IPv4, and a port.
_WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*)):([0-9]{1,5})")


@dataclass(frozen=True)
class AllowedNetwork:
    """A network, or a single address, that requests may go to; `port`: only there."""

    network: IPv4Network | IPv6Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "AllowedNetwork":
        """Return the network, with or without a port; raises ValueError with a message."""
        found = _WITH_PORT.fullmatch(text)
        address = (found[1] or found[2]) if found else text
        try:
            network = ip_network(address)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is not a network such as 10.0.0.0/8, 10.0.0.0/8:8080 or "
                f"[fd00::/8]:8080 ({error})"
            ) from None
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            raise ValueError(f"{text!r} is an IPv4 network: write it as one")
        port = int(found[3]) if found else None
        if port is not None and not 1 <= port <= 65535:
            raise ValueError(f"{text!r}: the port must be between 1 and 65535")
        return cls(network, port)

    @property
    def is_single(self) -> bool:
        """True if this is one address."""
        return self.network.num_addresses == 1

    def contains(self, address: IPv4Address | IPv6Address) -> bool:
        """Return True if the address is in the network, whatever the port."""
        return address in self.network


class HttpClientSettings(SettingsGroup):
    """Requests to receivers."""

    allowed_networks: Annotated[tuple[AllowedNetwork, ...], NoDecode] = Field(
        (),
        description="Networks that requests may go to although they are loopback, private, "
        "link-local or reserved, separated by commas; for example "
        "10.0.0.0/8,127.0.0.1:8080,[fd00::/8]:443. With a port, requests may go to that port only. "
        "Addresses where clouds serve secrets, such as 169.254.169.254, must be listed "
        "individually.",
    )
    connector_networks: Annotated[tuple[AllowedNetwork, ...], NoDecode] = Field(
        (),
        description="The only networks that connectors may connect to, separated by commas. Empty: "
        "all but link-local and reserved addresses. Never: addresses where clouds serve secrets, "
        "such as 169.254.169.254.",
    )
    connect_timeout_seconds: float = Field(
        3, gt=0, le=60, description="Time limit for opening a connection to a receiver."
    )
    read_timeout_seconds: float = Field(
        10, gt=0, le=300, description="Longest silence of a receiver during an attempt."
    )
    total_timeout_seconds: float = Field(
        15, gt=0, le=600, description="Time limit for a whole attempt."
    )
    ca_bundle: Path | None = Field(
        None,
        description="PEM file with the CA certificates that receivers' certificates are checked "
        "against. Empty: the bundle of the package certifi.",
    )
    proxy_url: str = Field(
        "",
        description="HTTP proxy that requests go through, as a URL such as "
        "http://user:password@proxy.example:3128. Empty: none. HTTP_PROXY and similar "
        "variables have no effect.",
    )

    @field_validator("allowed_networks", "connector_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = (part.strip() for part in value.split(","))
        return tuple(AllowedNetwork.parse(part) for part in parts if part)

    @field_validator("ca_bundle")
    @classmethod
    def _check_ca_bundle(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                ssl.create_default_context(cafile=value)
            except OSError as error:
                raise ValueError(f"must be a PEM file with certificates ({error})") from None
        return value

    @field_validator("proxy_url")
    @classmethod
    def _check_proxy_url(cls, value: str) -> str:
        if value and not _is_proxy_url(value):
            raise ValueError("must be a URL such as http://proxy.example:3128")
        return value


def _is_proxy_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # raises ValueError if it is invalid
    except ValueError:
        return False
    return parts.scheme == "http" and bool(parts.hostname) and parts.path in {"", "/"}
