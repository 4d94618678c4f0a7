"""Calls of a real Asterisk, read from its event stream, arrive at the receiver."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Product
from tests.processes.listener.test_follower import find_call, middle
from tests.support.ami_server import AmiServer
from tests.support.pbx_server import SECRET
from tests.support.receiver import Arrival, Receiver

EXPECTED = Path(__file__).with_name("asterisk_stream.json")
CALLS = ("s01", "s13", "s22")
EVENTS = ("dial-out", "dial-in", "hangup", "answer-in", "answer-out")
#: Parameters that differ in each run.
GENERATED = ("DeliveryID", "EventID")


@pytest.fixture
def settings(settings: dict[str, str]) -> dict[str, str]:
    """The settings of the product, with a listener."""
    return settings | {"listeners": "1"}


@pytest.fixture
def asterisk() -> Iterator[AmiServer]:
    """An Asterisk on a socket."""
    server = AmiServer()
    yield server
    server.close()


def test_recorded_calls_arrive_once_although_the_connection_is_cut(
    product: Product, receiver: Receiver, asterisk: AmiServer
) -> None:
    """A plain call, a blind transfer and a ring group, each with a disconnect in its middle.

    Every request arrives once with the right parameters, and no other.
    """
    product.add_pbx("Office")
    for number in ("101", "102", "103"):
        product.flask("extensions", "add", "office", number)
    for event in EVENTS:
        product.flask("hooks", "set", "office", "*", event, "--url", f"{receiver.url}/{event}")
    reach = ("--kind", "asterisk", "--host", "127.0.0.1", "--port", str(asterisk.port))
    account = ("--user", "callevents", "--secret", SECRET)
    product.flask("pbx", "connector", "set", "office", *reach, *account)
    awaited = 0
    for call in CALLS:
        parts, words = find_call("asterisk", call)
        half = middle(parts, "asterisk")
        asterisk.wait_for_listener()
        asterisk.say(parts[:half])
        asterisk.cut()
        asterisk.wait_for_listener()
        asterisk.say(parts[half:])
        awaited += len(words)
        receiver.wait_for(awaited)
    assert product.stop() == 0
    assert in_order(receiver.arrivals) == json.loads(EXPECTED.read_text())


def in_order(arrivals: list[Arrival]) -> list[dict[str, Any]]:
    """Return the parameters that are the same in each run, in a fixed order."""
    parameters = [
        {name: value for name, value in arrival.parameters.items() if name not in GENERATED}
        for arrival in arrivals
    ]
    return sorted(
        parameters, key=lambda one: (one["CallAPIID"], one["EventTime"], one["EventType"])
    )
