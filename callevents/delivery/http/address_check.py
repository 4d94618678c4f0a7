"""Checks the addresses that requests go to (SSRF protection).

Called when the socket opens, so DNS rebinding cannot bypass it. Allowed are globally reachable
unicast addresses (IANA's special-purpose registries, as Python's ipaddress has them) and the
networks of the setting, except that a cloud's metadata service must be named on its own.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from callevents.config import AllowedNetwork

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
            "2002::/16",  # 6to4, deprecated by RFC 7526
            "3fff::/20",  # documentation, RFC 9637
            "5f00::/16",  # segment routing, RFC 9602
            "64:ff9b:1::/48",  # local NAT64, RFC 8215
            "fec0::/10",  # site-local, deprecated by RFC 3879 and still routed within sites
        ),
    )
)
#: Prefixes that translate to IPv4: RFC 6052, and for local use RFC 8215.
NAT64, LOCAL_NAT64 = ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48")

#: Where clouds serve secrets to whoever asks from inside a machine.
METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # nearly all
            "169.254.170.2",  # AWS, containers
            "169.254.170.23",  # AWS, Kubernetes
            "169.254.0.23",  # Tencent
            "169.254.42.42",  # Scaleway
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",  # AWS, Kubernetes
            "fd20:ce::254",  # Google
            "fd00:c1::a9fe:a9fe",  # Oracle
            "fd00:42::42",  # Scaleway
            "fd00:a9fe:a9fe::1",  # Linode
            "fd00:100::100:200",  # Alibaba
            "fe80::a9fe:a9fe",  # OpenStack
        ),
    )
)


class AddressRefusedError(Exception):
    """Requests to that address are blocked; the text says why and how to allow it."""


def check_address(text: str, port: int, allowed: Iterable[AllowedNetwork]) -> None:
    """Raise AddressRefusedError unless requests to the address are allowed."""
    address = _parse(text)
    carried = _carried(address)
    kind = (_refused_kind(carried) if carried else "") or _refused_kind(address)
    if not kind:
        return
    is_metadata = address in METADATA or carried in METADATA
    matching = [
        network
        for network in allowed
        if network.contains(address) and (network.is_single or not is_metadata)
    ]
    if any(network.port in {None, port} for network in matching):
        return
    remedy = "add its network"
    if is_metadata:
        remedy = "add this single address, not a network,"
    elif matching:
        remedy = f"add its network with port {port}"
    raise AddressRefusedError(
        f"The address {text} is {kind}; requests to it are blocked. To allow it, {remedy} to "
        "CALLEVENTS_ALLOWED_NETWORKS."
    )


def _parse(text: str) -> Address:
    address = ip_address(text.partition("%")[0])
    # Only another spelling: the system sends IPv4 packets to the IPv4 address.
    return getattr(address, "ipv4_mapped", None) or address


def _carried(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that a gateway forwards packets for this address to."""
    if isinstance(address, IPv4Address):
        return None
    if address.teredo:
        return address.teredo[1]
    if address in NAT64 or address in LOCAL_NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


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
    if address in NAT64:
        return ""  # The carried IPv4 address decides.
    if address.is_private:
        return "private"
    extra = any(address in network for network in EXTRA_REFUSED)
    return "reserved" if extra or address.is_reserved or not address.is_global else ""
