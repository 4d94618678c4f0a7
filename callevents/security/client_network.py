"""The address of a client, and the network that it can use all addresses of."""

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


def find_client_address(remote: str | None, forwarded_for: str, proxies: int) -> str | None:
    """Return the client's address, None if the request names only that of a trusted proxy.

    `remote`: the address of the connection, or what was made of the header; `forwarded_for`: the
    header X-Forwarded-For. Each of the trusted proxies adds one entry at the end. Unlike `remote`,
    this does not depend on what stands before those, such as a quote that is never closed.
    """
    if not proxies:
        return remote
    entries = forwarded_for.split(",")
    return _parse_address(entries[-proxies].strip()) if len(entries) >= proxies else None


def _parse_address(entry: str) -> str | None:
    """Return the IP address without brackets and port, which differs at each connection."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ip_address(entry))
    except ValueError:
        return None
