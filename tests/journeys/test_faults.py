"""Acknowledged events arrive even if processes are killed."""

import threading

from tests.journeys.conftest import LEASE_SECONDS, Product, arrived_legs, report_calls
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until


def test_same_event_sent_twice_is_delivered_once(office: Product, receiver: Receiver) -> None:
    """A repeated report is answered 200 with the first one's id, and makes no delivery."""
    first = office.report("office", event="dial-in", ext="101", leg="leg-1")
    second = office.report("office", event="dial-in", ext="101", leg="leg-1")
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == {"id": first.json()["id"], "deliveries": 0, "repeated": True}
    report_calls(office, range(2, 3))
    wait_until(lambda: "leg-2" in arrived_legs(receiver), "the later event")
    wait_until(
        lambda: [one["state"] for one in office.deliveries()] == ["delivered", "delivered"],
        "two deliveries and no other",
    )
    assert len(receiver.arrivals) == 2


def test_disabled_hook_gets_nothing(office: Product, receiver: Receiver) -> None:
    """After `hooks disable` an event is accepted with 0 deliveries, and no request is made."""
    [hook] = office.flask("hooks", "list")
    office.flask("hooks", "disable", hook["event_id"])
    answer = office.report("office", event="dial-in", ext="101", leg="leg-1")
    assert (answer.status_code, answer.json()["deliveries"]) == (202, 0)
    office.flask("hooks", "enable", hook["event_id"])
    report_calls(office, range(2, 3))
    wait_until(lambda: arrived_legs(receiver) == {"leg-2"}, "the later event alone")


def test_killed_workers_deliveries_are_made_again(office: Product, receiver: Receiver) -> None:
    """A worker killed while a receiver hangs: after the lease all accepted events arrive."""
    released = threading.Event()
    receiver.reply = lambda _arrival: Reply(hold=released.wait)
    report_calls(office, range(3))
    receiver.wait_for(3)
    office.get_child("worker").kill()
    report_calls(office, range(3, 6))
    released.set()
    receiver.reply = lambda _arrival: Reply()
    wait_until(
        lambda: {one["state"] for one in office.deliveries()} == {"delivered"},
        f"all deliveries, some after the lease of {LEASE_SECONDS} s",
    )
    assert arrived_legs(receiver) == {f"leg-{number}" for number in range(6)}
    again = [one for one in receiver.arrivals if one.parameters["CallAPIID"] == "leg-0"]
    assert len({one.parameters["DeliveryID"] for one in again}) == 1
    assert len(receiver.arrivals) <= 6 + 3, "only what was in flight may arrive twice"
