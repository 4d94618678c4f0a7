"""A real call: sipp, Kamailio, our ingest route, a worker, and the third-party application."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Template

from callevents.enums import TABLE_ORDER
from tests.journeys.conftest import Product, product
from tests.sip.sip import Kamailio
from tests.support.programs import ROOT
from tests.support.receiver import Receiver

__all__ = ["product"]


SNIPPET = ROOT / "templates" / "connect" / "snippets" / "kamailio.txt"
NAMES = ("EventType", "Extension", "CallFlow", "CallStatus", "HangupCause")
#: The parameters of each request, in the order of each extension.
EXPECTED = {
    "answered": [
        [
            ("dial-out", "101", "OUT", "CALLING", ""),
            ("answer-out", "101", "OUT", "ANSWER", ""),
            ("hangup", "101", "OUT", "ANSWER", "16"),
        ],
        [
            ("dial-in", "102", "IN", "CALLING", ""),
            ("answer-in", "102", "IN", "ANSWER", ""),
            ("hangup", "102", "IN", "ANSWER", "16"),
        ],
    ],
    "busy": [
        [("dial-out", "101", "OUT", "CALLING", ""), ("hangup", "101", "OUT", "BUSY", "17")],
        [],
    ],
    "cancelled": [
        [("dial-out", "101", "OUT", "CALLING", ""), ("hangup", "101", "OUT", "CANCEL", "127")],
        [("dial-in", "102", "IN", "CALLING", ""), ("hangup", "102", "IN", "CANCEL", "127")],
    ],
}


@pytest.fixture
def settings() -> dict[str, str]:
    """The product's settings: embedded parts only; the others are tested elsewhere."""
    return {"allowed_networks": "127.0.0.0/8"}


@pytest.fixture
def kamailio(product: Product, receiver: Receiver, tmp_path: Path) -> Iterator[Kamailio]:
    """A Kamailio that reports to the product, whose hooks go to the receiver."""
    product.token = product.flask("pbx", "add", "Edge", "--format", "kamailio")["token"]
    for event in TABLE_ORDER:
        product.flask("hooks", "set", "edge", "*", event.slug, "--url", receiver.url)
    lines = Template(SNIPPET.read_text()).render(
        ingest_url=f"{product.url}/ingest/edge", token=product.token
    )
    kamailio = Kamailio(tmp_path, lines)
    try:
        kamailio.wait_until_ready()
        yield kamailio
    finally:
        kamailio.close()


def test_calls(kamailio: Kamailio, product: Product, receiver: Receiver) -> None:
    """An answered, a busy and a cancelled call arrive, each event once, in each leg's order."""
    for outcome, expected in EXPECTED.items():
        receiver.arrivals.clear()
        kamailio.call(outcome)
        count = sum(len(events) for events in expected)
        sent = [tuple(one.parameters[name] for name in NAMES) for one in receiver.wait_for(count)]
        assert len(sent) == count, sent
        assert [[one for one in sent if one[1] == number] for number in ("101", "102")] == expected
        parties = {
            (
                one.parameters["CallID"],
                one.parameters["CallerIDNum"],
                one.parameters["CalledNumber"],
            )
            for one in receiver.arrivals
        }
        assert [party[1:] for party in parties] == [("101", "102")]
