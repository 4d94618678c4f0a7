"""The address check."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callevents.config import AllowedNetwork
from callevents.delivery.http.address_check import METADATA, AddressRefusedError, check_address

#: IANA's special-purpose registries: not globally reachable, and multicast.
REFUSED_IPV4 = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
]
REFUSED_IPV6 = [
    *("::/127", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:10::/28", "2001:20::/28"),
    *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10"),
    *("ff00::/8", "4000::/3", "8000::/2"),
]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "192.0.1.1", "172.32.0.1", "100.128.0.1", "198.17.255.255"),
    *("223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
]


def is_refused(address: object, allowed: str = "", port: int = 443) -> bool:
    """Return True if requests to the address are blocked, with these networks allowed."""
    networks = [AllowedNetwork.parse(part) for part in allowed.split(",") if part]
    try:
        check_address(str(address), port, networks)
    except AddressRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.1.1", "link-local"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.1.1", "link-local"),
        ("::127.0.0.1", "reserved"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.0.1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("100.64.0.1", "reserved"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd12::1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b::169.254.1.1", "link-local"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:a9fe:101::", "link-local"),
        ("2002:a00:1::", "private"),
        ("2002:808:808::1", "reserved"),
        ("192.88.99.1", "reserved"),
    ],
)
def test_refused_addresses_are_named_with_their_kind(address: str, kind: str) -> None:
    """The error names the address, its kind, and the setting that allows it."""
    with pytest.raises(AddressRefusedError) as caught:
        check_address(address, 443, ())
    assert str(caught.value) == (
        f"The address {address} is {kind}; requests to it are blocked. To allow it, add its "
        "network to CALLEVENTS_ALLOWED_NETWORKS."
    )


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    """Globally reachable addresses need no setting; also those behind NAT64."""
    check_address(address, 443, ())


@pytest.mark.parametrize("network", REFUSED_IPV4)
@given(data=st.data())
def test_no_address_of_a_special_ipv4_network_passes(network: str, data: st.DataObject) -> None:
    """Plain or embedded in IPv6, no address of a special-purpose network passes."""
    address = data.draw(st.ip_addresses(v=4, network=network))
    value = int(address)
    assert is_refused(address)
    assert is_refused(IPv6Address((0xFFFF << 32) | value)), "mapped"
    assert is_refused(IPv6Address(value)), "IPv4-compatible"
    assert is_refused(IPv6Address((0x64FF9B << 96) | value)), "NAT64"
    assert is_refused(IPv6Address((0x2002 << 112) | (value << 80) | 1)), "6to4"
    assert is_refused(IPv6Address((0x20010000 << 96) | (value ^ 0xFFFFFFFF))), "Teredo"


@pytest.mark.parametrize("network", REFUSED_IPV6)
@given(data=st.data())
def test_no_address_of_a_special_ipv6_network_passes(network: str, data: st.DataObject) -> None:
    """No address of a special-purpose or unassigned network passes."""
    assert is_refused(data.draw(st.ip_addresses(v=6, network=network)))


@given(st.ip_addresses(v=4))
def test_all_other_ipv4_addresses_pass(address: IPv4Address) -> None:
    """An IPv4 address is refused if it is in a special-purpose network, and only then."""
    special = any(address in ip_network(network) for network in REFUSED_IPV4)
    assert is_refused(address) == special


@given(st.ip_addresses(), st.data())
def test_allowed_networks_allow(address: IPv4Address | IPv6Address, data: st.DataObject) -> None:
    """Every address of an allowed network passes, whatever kind it is."""
    assume(address not in METADATA)
    assume(isinstance(address, IPv4Address) or not address.ipv4_mapped)
    longest = 32 if isinstance(address, IPv4Address) else 128
    length = data.draw(st.integers(0, longest))
    assert not is_refused(address, str(ip_network((address, length), strict=False)))


def test_allowing_is_exact() -> None:
    """Allowing one network allows no other, and not the other family."""
    assert not is_refused("10.1.2.3", "10.1.0.0/16")
    assert is_refused("10.2.0.1", "10.1.0.0/16")
    assert is_refused("::1", "127.0.0.0/8")
    assert is_refused("127.0.0.1", "::1/128,fd00::/8")
    assert is_refused("127.0.0.1", "::/0")


def test_a_mapped_address_is_the_ipv4_address() -> None:
    """The system sends IPv4 packets to it, so IPv4 networks allow it and IPv6 networks do not."""
    assert not is_refused("::ffff:127.0.0.1", "127.0.0.0/8")
    assert is_refused("::ffff:10.0.0.1", "127.0.0.0/8")
    assert is_refused("::ffff:127.0.0.1", "::/0")


@pytest.mark.parametrize(
    ("carrying", "network"),
    [
        ("64:ff9b::10.0.0.1", "64:ff9b::/96"),
        ("64:ff9b:1::10.0.0.1", "64:ff9b:1::/48"),
        ("2002:a00:1::1", "2002::/16"),
        ("2001:0:0:0:0:0:f5ff:fffe", "2001::/32"),
        ("::10.0.0.1", "::/96"),
    ],
    ids=["NAT64", "local NAT64", "6to4", "Teredo", "compatible"],
)
def test_an_allowed_ipv4_network_does_not_count_behind_a_gateway(
    carrying: str, network: str
) -> None:
    """Another machine forwards what is sent there, so that way must be allowed itself."""
    assert is_refused(carrying, "10.0.0.0/8")
    assert not is_refused(carrying, network)


@pytest.mark.parametrize("address", sorted(METADATA, key=str), ids=str)
def test_metadata_must_be_named(address: IPv4Address | IPv6Address) -> None:
    """No network that contains a cloud's metadata service opens it, only its own address."""
    wide = [ip_network((address, length), strict=False) for length in (0, 16, 24)]
    near = address.max_prefixlen - 1
    assert is_refused(address, ",".join(map(str, wide)))
    assert is_refused(address, str(ip_network((address, near), strict=False)))
    assert not is_refused(address, str(address))
    with pytest.raises(AddressRefusedError, match="add this single address, not a network, to"):
        check_address(str(address), 80, ())


def test_metadata_behind_a_gateway_must_be_named() -> None:
    """The carried address counts too, and the port."""
    assert is_refused("::ffff:169.254.169.254", "169.254.0.0/16")
    assert not is_refused("::ffff:169.254.169.254", "169.254.169.254")
    assert is_refused("64:ff9b::169.254.169.254", "64:ff9b::/96,169.254.169.254")
    assert not is_refused("64:ff9b::169.254.169.254", "64:ff9b::169.254.169.254")
    assert is_refused("169.254.169.254", "169.254.169.254:80")
    assert not is_refused("169.254.169.254", "169.254.169.254:80", 80)


def test_ports() -> None:
    """A network with a port is allowed there only; several entries add up."""
    allowed = "10.0.0.0/8:8080,10.0.0.0/8:8081,[fd12::/16]:443,10.9.0.0/16"
    assert not is_refused("10.0.0.1", allowed, 8080)
    assert not is_refused("10.0.0.1", allowed, 8081)
    assert is_refused("10.0.0.1", allowed, 80)
    assert not is_refused("10.9.0.1", allowed, 80)
    assert not is_refused("fd12::1", allowed, 443)
    assert is_refused("fd12::1", allowed, 80)
