"""A ring group whose phones are connected one by one makes one entry in the receiver's log."""

from callevents.db.models import Pbx
from callevents.enums import EventType
from tests.conftest import Configure
from tests.ingest.calls import deliveries, store, values
from tests.ingest.test_once_per_call import told
from tests.receivers.conftest import AddReceiver
from tests.receivers.test_connect import connect_all

PHONES = ("101", "102", "103", "104", "105")


def test_a_ring_group(add_receiver: AddReceiver, pbx: Pbx, configure: Configure) -> None:
    """Five dial-ins open five contacts; the end is logged once, for the phone that answered."""
    for number in (*PHONES, "106"):
        configure.extension(number)
    connect_all(add_receiver(), pbx, *PHONES)
    for phone in (*PHONES, "106"):
        store(pbx, told(EventType.DIAL_IN, phone))
    store(pbx, told(EventType.ANSWER_IN, "104"))
    for phone in (*PHONES, "106"):
        store(pbx, told(EventType.HANGUP, phone, cause=16))
    found = deliveries()
    assert [one.event_type for one in found] == [EventType.DIAL_IN] * 5 + [EventType.HANGUP]
    end = found[-1]
    assert (end.extension, values(end)["AnsweredBy"]) == ("104", "104")


def test_calls_of_others_are_not_logged(
    add_receiver: AddReceiver, pbx: Pbx, configure: Configure
) -> None:
    """An extension that is not connected leads to nothing."""
    for number in ("101", "106"):
        configure.extension(number)
    connect_all(add_receiver(), pbx, "101")
    for event in (EventType.DIAL_IN, EventType.HANGUP):
        store(pbx, told(event, "106"))
    assert deliveries() == []
