"""Checks the addresses that requests go to (SSRF protection).

Called when the socket opens, so DNS rebinding cannot bypass it. Allowed are globally reachable
unicast addresses (IANA's special-purpose registries, as Python's ipaddress has them) and the
networks of the setting. An IPv6 address that embeds an IPv4 address must pass as both.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from callevents.config import Network

Address = IPv4Address | IPv6Address

#: Not globally reachable although ipaddress of some Python versions says so, or leading to IPv4.
EXTRA_REFUSED = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
            "192.88.99.0/24",  # 6to4 relay anycast, RFC 7526
            "168.63.129.16/32",  # Azure's platform address, reachable from inside a machine there
            "2001:20::/28",  # ORCHIDv2, RFC 7343
            "3fff::/20",  # documentation, RFC 9637
            "5f00::/16",  # segment routing, RFC 9602
            "64:ff9b:1::/48",  # local NAT64, RFC 8215
            "fec0::/10",  # site-local, deprecated by RFC 3879 and still routed within sites
        ),
    )
)
#: Prefixes that translate to IPv4: RFC 6052, and for local use RFC 8215.
NAT64 = ip_network("64:ff9b::/96")
LOCAL_NAT64 = ip_network("64:ff9b:1::/48")


class AddressRefusedError(Exception):
    """Requests to that address are blocked; the text says why and how to allow it."""


def check_address(text: str, allowed: Iterable[Network]) -> None:
    """Raise AddressRefusedError unless requests to the address are allowed."""
    address = ip_address(text.partition("%")[0])
    embedded = list(_embedded(address))
    if _is_allowed([address, *embedded], allowed):
        return
    for candidate in (address, *embedded):
        if kind := _refused_kind(candidate):
            raise AddressRefusedError(
                f"The address {text} is {kind}; requests to it are blocked. To allow it, add its "
                "network to CALLEVENTS_ALLOWED_NETWORKS."
            )


def _is_allowed(addresses: list[Address], allowed: Iterable[Network]) -> bool:
    return any(
        address.version == network.version and address in network
        for network in allowed
        for address in addresses
    )


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address embeds."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield address.teredo[1]
    if address in NAT64 or address in LOCAL_NAT64 or int(address) >> 32 == 0:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _refused_kind(address: Address) -> str:
    """Return the kind of address for which requests are blocked, empty if they are not."""
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in NAT64):
        return ""  # The embedded IPv4 address decides.
    if address.is_private:
        return "private"
    extra = any(address.version == net.version and address in net for net in EXTRA_REFUSED)
    return "reserved" if extra or address.is_reserved or not address.is_global else ""
