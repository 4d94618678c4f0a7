"""Which addresses a request may go to. Asked when the socket opens, so no name can change its mind.

The rule: only globally reachable unicast addresses (IANA's special-purpose registries, as Python's
ipaddress knows them), and the networks that the setting allows. An IPv6 address that carries an
IPv4 address is judged by both.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from callevents.config import Network

Address = IPv4Address | IPv6Address

#: Not reachable from everywhere, though older Pythons think so, or a way into IPv4.
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
#: How an IPv6-only network reaches the whole of IPv4, RFC 6052; and its local cousin, RFC 8215.
NAT64 = ip_network("64:ff9b::/96")
LOCAL_NAT64 = ip_network("64:ff9b:1::/48")


class AddressRefusedError(Exception):
    """A request may not go to that address; the text says why and what to do."""


def check_address(text: str, allowed: Iterable[Network]) -> None:
    """Raise AddressRefusedError unless a request may go to the address."""
    address = ip_address(text.partition("%")[0])
    carried = list(_carried(address))
    if _is_allowed([address, *carried], allowed):
        return
    for candidate in (address, *carried):
        if kind := _refused_kind(candidate):
            raise AddressRefusedError(
                f"The address {text} is {kind}, and requests may not go there. If they should, "
                f"add its network to the setting CALLEVENTS_ALLOWED_NETWORKS."
            )


def _is_allowed(addresses: list[Address], allowed: Iterable[Network]) -> bool:
    return any(
        address.version == network.version and address in network
        for network in allowed
        for address in addresses
    )


def _carried(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses within an IPv6 address."""
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
    """Return what makes the address unfit, empty if nothing does."""
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in NAT64):
        return ""  # The IPv4 address within decides.
    if address.is_private:
        return "private"
    extra = any(address.version == net.version and address in net for net in EXTRA_REFUSED)
    return "reserved" if extra or address.is_reserved or not address.is_global else ""
