"""The whole line in one process: ingest, outbox, engine, receiver."""

from flask.testing import FlaskClient

from callevents.delivery.engine import Engine
from callevents.enums import DeliveryState, EventType, Method
from tests.conftest import Configure
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state


def test_event_reaches_its_receiver_with_all_parameters(
    client: FlaskClient, token: str, configure: Configure, receiver: Receiver, engine: Engine
) -> None:
    """A reported event arrives by GET behind the URL's own query, whatever characters it has."""
    configure.extension("101")
    hook = configure.hook("101", EventType.DIAL_IN, receiver.url + "/pop?tenant=7&x=a%2Fb")
    answer = client.get(
        "/ingest/head-office",
        query_string={
            "token": token,
            "event": "dialin",
            "ext": "101",
            "peer": "+40 21",
            "call": "c1",
            "leg": "l1",
            "caller_name": "Ștefan & Söhne",
            "at": "1795402257.2459",
        },
    )
    assert answer.status_code == 202
    engine.start()
    [arrival] = receiver.wait_for(1)
    assert arrival.method == "GET"
    assert arrival.target.startswith("/pop?tenant=7&x=a%2Fb&CallID=c1&")
    parameters = arrival.parameters
    delivery_id = parameters.pop("DeliveryID")
    assert parameters == {
        "tenant": "7",
        "x": "a/b",
        "CallID": "c1",
        "CallAPIID": "l1",
        "CallerIDNum": "+40 21",
        "CallerIDName": "Ștefan & Söhne",
        "CallerExtension": "",
        "CalledExtension": "101",
        "CalledNumber": "101",
        "CalledDID": "",
        "CallFlow": "IN",
        "CallStatus": "CALLING",
        "EventType": "dial-in",
        "EventID": hook.event_id,
        "Extension": "101",
        "EventTime": "2026-11-23T02:50:57.245Z",
        "Duration": "",
        "HangupCause": "",
        "PBX": "head-office",
        "Late": "",
    }
    wait_for_state(delivery_id, DeliveryState.DELIVERED)


def test_post_carries_the_parameters_as_a_form(
    client: FlaskClient, token: str, configure: Configure, receiver: Receiver, engine: Engine
) -> None:
    """A POST leaves the URL as it is and sends the same parameters in the body."""
    configure.hook("*", EventType.HANGUP, receiver.url + "/cdr?a=1", Method.POST)
    client.post(
        "/ingest/head-office",
        headers={"Authorization": f"Bearer {token}"},
        json={"event": 2, "extension": 101, "call-id": "c1", "cause": 17, "duration": 0},
    )
    engine.start()
    [arrival] = receiver.wait_for(1)
    assert (arrival.method, arrival.target) == ("POST", "/cdr?a=1")
    assert arrival.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert arrival.parameters["CallStatus"] == "BUSY"
    assert list(arrival.parameters)[:3] == ["CallID", "CallAPIID", "CallerIDNum"]
