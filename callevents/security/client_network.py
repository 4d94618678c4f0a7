"""The network that one client can use all addresses of."""

from ipaddress import IPv6Address, ip_address, ip_network

#: A provider gives each customer a whole network of this size.
IPV6_PREFIX_LENGTH = 64


def client_network(address: str) -> str:
    """Return the client's IPv4 address or IPv6 network; other texts unchanged."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    # A socket for both families shows IPv4 clients like this; they are not one network.
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), IPV6_PREFIX_LENGTH), strict=False))
