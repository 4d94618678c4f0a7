"""Calls of a real Asterisk, reported by its dialplan, arrive at the receiver."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.journeys.asterisk_calls import SCENARIOS, read_fields, read_queries
from tests.journeys.conftest import Product
from tests.support.receiver import Arrival, Receiver

EXPECTED = Path(__file__).with_name("asterisk_calls.json")
EVENTS = ("dial-out", "dial-in", "hangup", "answer-in", "answer-out")
#: Event types whose hooks send a POST; the others send a GET.
POSTED = {"hangup", "answer-in"}
#: Parameters that differ in each run.
GENERATED = ("DeliveryID", "EventID", "EventTime")
#: Parameters of hangups that follow from when their reports arrived.
TIMES = ("StartTime", "AnswerTime", "EndTime", "RingSeconds", "TalkSeconds")


@pytest.fixture
def hooks(product: Product, receiver: Receiver) -> dict[tuple[str, str], str]:
    """A PBX, extensions 101 and 102, and hooks for all five events of both, by commands only."""
    product.add_pbx("Asterisk")
    event_ids = {}
    for number in ("101", "102"):
        product.flask("extensions", "add", "asterisk", number)
        for event in EVENTS:
            method = "POST" if event in POSTED else "GET"
            url = f"{receiver.url}/{number}/{event}?kept=1"
            hook = product.flask(
                "hooks", "set", "asterisk", number, event, "--url", url, "--method", method
            )
            event_ids[number, event] = hook["event_id"]
    return event_ids


def test_recorded_calls_arrive_exactly_once_with_their_parameters(
    product: Product, receiver: Receiver, hooks: dict[tuple[str, str], str]
) -> None:
    """Each recorded request that concerns 101 or 102 arrives once, as the file says it must."""
    deliveries = 0
    for scenario in SCENARIOS:
        for query in read_queries(scenario):
            answer = requests.get(
                f"{product.url}/ingest/asterisk?{query}&token={product.token}", timeout=10
            )
            assert answer.status_code == 202
            concerned = read_fields(query)["ext"] in {"101", "102"}
            assert answer.json()["deliveries"] == int(concerned)
            deliveries += concerned
    arrivals = receiver.wait_for(deliveries)
    product.stop()
    assert len(arrivals) == deliveries, "nothing may arrive twice"
    for arrival in arrivals:
        check_generated(arrival, hooks)
    assert in_order(arrivals) == json.loads(EXPECTED.read_text())


def check_generated(arrival: Arrival, hooks: dict[tuple[str, str], str]) -> None:
    """Check the parameters that differ with each run, and where the request went."""
    parameters = arrival.parameters
    number, event = parameters["Extension"], parameters["EventType"]
    assert arrival.path == f"/{number}/{event}"
    assert arrival.method == ("POST" if event in POSTED else "GET")
    assert parameters["EventID"] == hooks[number, event]
    assert all(parameters[name] for name in GENERATED)


def in_order(arrivals: list[Arrival]) -> list[dict[str, Any]]:
    """Return the parameters that are the same in each run, in a fixed order."""
    parameters = [
        {
            name: value
            for name, value in arrival.parameters.items()
            if name not in (*GENERATED, *TIMES)
        }
        for arrival in arrivals
    ]
    return sorted(parameters, key=lambda one: (one["CallID"], one["Extension"], one["EventType"]))
