"""Settings of requests: allowed networks, timeouts, certificates, proxy."""

import ssl
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup

Network = IPv4Network | IPv6Network


class HttpClientSettings(SettingsGroup):
    """Requests to receivers."""

    allowed_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Networks that requests may go to although they are loopback, private, "
        "link-local or reserved, separated by commas; for example 10.0.0.0/8,127.0.0.0/8.",
    )
    connector_networks: Annotated[tuple[Network, ...], NoDecode] = Field(
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
        return tuple(_parse_network(part.strip()) for part in value.split(",") if part.strip())

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


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8 ({error})") from None


def _is_proxy_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  # raises ValueError if it is invalid
    except ValueError:
        return False
    return parts.scheme == "http" and bool(parts.hostname) and parts.path in {"", "/"}
