"""How many clients may be connected, and which are disconnected if there are too many."""

import resource
import time
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from callevents.config.settings import Settings
from callevents.security.client_network import client_network
from callevents.token_bucket import Clock, TokenBucket

log = structlog.get_logger("callevents.web")

#: A process logs this many refused requests at once, then this many per second. It counts the rest.
REFUSED_BURST = 20
REFUSED_PER_SECOND = 2
#: Connections of one process. Each needs a file descriptor, and a long body another one.
MAX_CONNECTIONS = 2000
#: A new connection is not closed for so long: its request may be on the way, or not read yet.
NEW_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds, and numbers of connections."""

    head_seconds: float = 10
    body_seconds: float = 30
    keepalive_seconds: float = 60
    connections_per_address: int = 200
    connections: int = MAX_CONNECTIONS
    #: A response must be read at this rate, measured over this time.
    read_bytes_per_second: int = 1024
    read_check_seconds: float = 10
    #: How long a client may go on sending a request that was refused.
    linger_seconds: float = 2

    @classmethod
    def from_settings(cls, settings: Settings) -> "Limits":
        """Return the limits of these settings."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        connections = MAX_CONNECTIONS if files < 0 else min(MAX_CONNECTIONS, files // 2)
        # Behind a reverse proxy all connections come from the proxy's address.
        per_address = connections if settings.trusted_proxies else settings.connections_per_address
        return cls(
            head_seconds=settings.head_timeout_seconds,
            body_seconds=settings.body_timeout_seconds,
            keepalive_seconds=settings.keepalive_seconds,
            connections_per_address=per_address,
            connections=connections,
        )


class Client(Protocol):
    """A client's connection."""

    @property
    def address(self) -> str:
        """The client's IP address."""

    def stop(self) -> None:
        """Close the connection, after the response in progress if there is one."""

    def abort(self) -> None:
        """Close the connection at once."""


@dataclass
class _Network:
    """The connections of one address.

    Those that wait for the client have the time from which they may be closed, longest first.
    """

    name: str
    count: int = 0
    waiting: dict[Client, float] = field(default_factory=dict)


class Connections:
    """The connections of a process.

    If there are too many, those that have waited longest for their clients are closed: slow clients
    displace each other, and not those that report events. Connections whose requests are being
    answered are not closed, but the number of such requests has a limit. New connections are not
    closed either: of hundreds that arrive at once, one may bring an event.
    """

    def __init__(self, limits: Limits, clock: Clock = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._networks: dict[str, _Network] = {}
        #: Each with the time from which it may be closed.
        self._waiting: dict[Client, float] = {}
        #: Each with its network. Deriving that from the address twice for each request took 13 to
        #: 17 % of the time in which a report is read and answered.
        self._all: dict[Client, _Network] = {}
        self._slow = self._evicted = self._refused = 0
        self._refused_bucket = TokenBucket(REFUSED_BURST, REFUSED_PER_SECOND, clock)

    def __len__(self) -> int:
        return len(self._all)

    def list(self) -> list[Client]:
        """Return all connections."""
        return list(self._all)

    def add(self, client: Client) -> None:
        """Add a new connection, which waits for a request; close others if necessary."""
        name = client_network(client.address)
        network = self._networks.setdefault(name, _Network(name))
        network.count += 1
        self._all[client] = network
        self._evict(network)
        if len(self._all) > 1.5 * self._limits.connections:
            # All are busy or new, and the process would run out of file descriptors.
            self._evict_one(next(iter(self._waiting), client))
        if client in self._all:
            # The new connection itself is not closed, even if all others are busy.
            since = self._clock() + NEW_SECONDS
            self._waiting[client] = network.waiting[client] = since

    def remove(self, client: Client) -> None:
        """Remove a connection that was closed."""
        self.set_busy(client)
        if (network := self._all.pop(client, None)) is not None:
            network.count -= 1
            if not network.count:
                del self._networks[network.name]

    def set_waiting(self, client: Client) -> None:
        """Note that the connection waits for the client from now on; close some if necessary."""
        if (network := self._all.get(client)) is not None:
            self._waiting[client] = network.waiting[client] = 0.0
            self._evict(network)

    def set_busy(self, client: Client) -> None:
        """Note that a request of the connection is complete: it cannot be evicted."""
        if (network := self._all.get(client)) is not None:
            self._waiting.pop(client, None)
            network.waiting.pop(client, None)

    def trim(self) -> None:
        """Close what is too many and no longer new."""
        for network in list(self._networks.values()):
            self._evict(network)

    def count_slow(self) -> None:
        """Count a client that was too slow."""
        self._slow += 1

    def log_refused(self, client: Client, status: int, detail: str, request: str) -> None:
        """Log a request that does not reach the application, or count it if there are many."""
        if self._refused_bucket.take():
            log.info(
                "request refused",
                request=request,
                status=status,
                detail=detail,
                address=client.address,
            )
        else:
            self._refused += 1

    def log(self) -> None:
        """Log how many clients were disconnected since the last time, and the refused requests."""
        if self._slow or self._evicted:
            log.warning(
                "slow clients disconnected",
                too_slow=self._slow,
                too_many_connections=self._evicted,
                connected=len(self._all),
            )
            self._slow = self._evicted = 0
        if self._refused:
            log.info("more requests refused", count=self._refused)
            self._refused = 0

    def _evict(self, network: _Network) -> None:
        """Close connections that wait, until the limits hold or none may be closed."""
        while network.count > self._limits.connections_per_address:
            if not self._evict_first(network.waiting):
                break
        while len(self._all) > self._limits.connections:
            if not self._evict_first(self._waiting):
                break

    def _evict_first(self, waiting: dict[Client, float]) -> bool:
        """Close the connection that has waited longest; return False if there is none, or new."""
        client = next(iter(waiting), None)
        if client is None or waiting[client] > self._clock():
            return False
        self._evict_one(client)
        return True

    def _evict_one(self, client: Client) -> None:
        self._evicted += 1
        self.remove(client)
        client.abort()
