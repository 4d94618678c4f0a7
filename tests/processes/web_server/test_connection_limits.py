"""Numbers of connections: slow clients displace each other."""

import pytest

from callevents.processes.web_server.connection_limits import (
    NEW_SECONDS,
    REFUSED_BURST,
    Connections,
    Limits,
)
from tests.support.clock import Clock
from tests.support.log_capture import Logged


class Waiting:
    """A client that notes its end."""

    def __init__(self, address: str = "203.0.113.1") -> None:
        self.address = address
        self.is_closed = False

    def stop(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


class SlowArrivals:
    """A clock on which every look comes later than the time in which a client is new."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += NEW_SECONDS
        return self._now


def limited(limits: Limits) -> Connections:
    """Create the table of a server where no two clients arrive at once."""
    return Connections(limits, SlowArrivals())


def connect(connections: Connections, count: int, address: str = "203.0.113.1") -> list[Waiting]:
    """Connect so many clients."""
    clients = [Waiting(address) for _ in range(count)]
    for client in clients:
        connections.add(client)
    return clients


def connect_busy(connections: Connections, count: int) -> list[Waiting]:
    """Connect so many clients, each with a request that is being answered."""
    clients = []
    for _ in range(count):
        clients += connect(connections, 1)
        connections.set_busy(clients[-1])
    return clients


def states(clients: list[Waiting]) -> list[bool]:
    return [client.is_closed for client in clients]


def test_the_longest_waiting_is_closed() -> None:
    """With one connection too many of an address, the one that has waited longest is closed."""
    connections = limited(Limits(connections_per_address=3))
    clients = connect(connections, 5)
    assert states(clients) == [True, True, False, False, False]


def test_new_connections_are_spared() -> None:
    """Of many that arrive at once, none is closed before its request can have been read."""
    clock = Clock()
    connections = Connections(Limits(connections_per_address=2), clock)
    clients = connect(connections, 5)
    assert states(clients) == [False] * 5
    clock.now += NEW_SECONDS
    connections.set_busy(clients[0])
    assert states(clients + connect(connections, 1)) == [False, True, True, True, True, False]


def test_new_connections_that_are_too_many_later() -> None:
    """They need no other connection to be closed."""
    clock = Clock()
    connections = Connections(Limits(connections_per_address=2), clock)
    clients = connect(connections, 4) + connect(connections, 2, "203.0.113.2")
    connections.trim()
    assert not any(states(clients))
    clock.now += NEW_SECONDS
    connections.trim()
    assert states(clients) == [True, True, False, False, False, False]


def test_too_many_new_connections() -> None:
    """Half as many again are accepted; beyond that, a new connection is closed after all."""
    connections = Connections(Limits(connections=4), Clock())
    clients = connect(connections, 8)
    assert states(clients) == [True] * 2 + [False] * 6
    assert len(connections) == 6


def test_other_addresses_are_spared() -> None:
    """The limit of an address does not affect others."""
    connections = limited(Limits(connections_per_address=2))
    others = connect(connections, 2, "203.0.113.2")
    connect(connections, 9)
    assert states(others) == [False, False]


def test_busy_clients_are_spared() -> None:
    """A client whose request is complete is not closed; after the response it waits again."""
    connections = limited(Limits(connections_per_address=2))
    busy, waiting = connect(connections, 2)
    connections.set_busy(busy)
    third, fourth = connect(connections, 2)
    assert states([busy, waiting, third, fourth]) == [False, True, True, False]
    connections.set_waiting(busy)
    connect(connections, 1)
    assert states([busy, fourth]) == [False, True]


def test_all_are_busy() -> None:
    """A new connection is accepted even if there is none to close."""
    connections = limited(Limits(connections_per_address=1))
    first = connect(connections, 1)
    connections.set_busy(first[0])
    second = connect(connections, 1)
    connections.set_busy(second[0])
    assert states(first + second) == [False, False]
    assert len(connections) == 2


def test_busy_clients_that_wait_again() -> None:
    """Too many connections whose requests are answered are closed when they wait again."""
    connections = limited(Limits(connections_per_address=3, connections=8))
    clients = connect_busy(connections, 6)
    assert len(connections) == 6
    for client in clients:
        connections.set_waiting(client)
    assert states(clients) == [True, True, True, False, False, False]
    assert len(connections) == 3


def test_nobody_can_be_closed() -> None:
    """If all are busy, half as many again are accepted, but no more."""
    connections = limited(Limits(connections=4))
    clients = connect_busy(connections, 8)
    assert states(clients) == [False] * 6 + [True] * 2
    assert len(connections) == 6


def test_limit_of_the_process() -> None:
    """Clients of many addresses displace each other too."""
    connections = limited(Limits(connections=2))
    clients = [connect(connections, 1, f"203.0.113.{n}")[0] for n in range(4)]
    assert states(clients) == [True, True, False, False]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:203.0.113.1", "203.0.113.1", True),
        ("::ffff:203.0.113.1", "203.0.113.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_networks(first: str, second: str, *, same: bool) -> None:
    """An IPv6 client counts with its /64, a mapped address as its IPv4 address."""
    connections = limited(Limits(connections_per_address=1))
    clients = connect(connections, 1, first) + connect(connections, 1, second)
    assert states(clients) == [same, False]


def test_removed_connections_do_not_count() -> None:
    """A closed connection makes room."""
    connections = limited(Limits(connections_per_address=1))
    first = connect(connections, 1)[0]
    connections.remove(first)
    second = connect(connections, 1)[0]
    assert states([first, second]) == [False, False]
    assert connections.list() == [second]


def test_one_line_in_the_log(logged: Logged) -> None:
    """However many clients are disconnected, it is one line."""
    connections = limited(Limits(connections_per_address=1))
    connect(connections, 100)
    connections.count_slow()
    connections.log()
    connections.log()
    [line] = logged.lines
    assert "slow clients disconnected" in line
    assert '"too_slow": 1, "too_many_connections": 99' in line


def test_refused_requests_do_not_fill_the_log(logged: Logged) -> None:
    """Of many refused requests the first ones have a line each; the others are counted."""
    clock = Clock()
    connections = Connections(Limits(), clock)
    for _ in range(REFUSED_BURST + 5):
        connections.log_refused(Waiting(), 400, "Wrong.", "GET /a")
    assert logged.text.count("request refused") == REFUSED_BURST
    connections.log()
    connections.log()
    assert [line for line in logged.lines if "more requests" in line] == logged.lines[-1:]
    assert "5" in logged.lines[-1]
