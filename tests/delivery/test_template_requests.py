"""Requests with templates end to end: what arrives and what is stored."""

import json
from typing import Any

from callevents.db.models import Delivery, Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import BodyFormat, DeliveryState, EventType, Method, ParameterSet
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import BodyTemplate, CustomHeader, HookOptions
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs.number_plan import set_number_plan
from tests.delivery.conftest import list_attempts
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

TEMPLATE = """{
  "from": "{CallerIDNum|e164}", "name": "{CallerIDName|or:unknown}", "to": {Extension|number},
  "way": "{CallFlow|map:way}", "at": {EventTime|unix|number}, "queue": {Queue|json}
}"""
OPTIONS = HookOptions(
    body_format=BodyFormat.TEMPLATE,
    parameters=ParameterSet.NONE,
    body_template=BodyTemplate("application/json", TEMPLATE),
    value_maps={"way": {"IN": "inbound"}},
    headers=(CustomHeader("X-From", "{CallerIDNum|e164}"),),
)


def create(
    pbx: Pbx, url: str, method: Method, options: HookOptions, event: EventType = EventType.DIAL_IN
) -> None:
    """Create a hook for all extensions of a Romanian PBX."""
    begin_write()
    set_number_plan(pbx, country="RO", outside_prefix="", trunk_prefix="", internal_lengths="3")
    hooks.create_hook(pbx, None, event, hooks.HookData(method=method, url=url, options=options))
    db.session.commit()


def report(pbx: Pbx, event: EventType = EventType.DIAL_IN, **values: Any) -> str:
    """Accept an event at extension 101; return its delivery's ID."""
    begin_write()
    [event_] = accept(pbx, [Report(event_type=event, extension="101", call_id="c1", **values)])
    found = db.session.query(Delivery.id).filter(Delivery.call_event_id == event_.id).scalar()
    db.session.commit()
    return str(found)


def test_body_url_and_headers_follow_the_template(
    pbx: Pbx, receiver: Receiver, engine: Engine
) -> None:
    """Values are converted with the PBX's number plan and the hook's maps, and are stored so."""
    url = receiver.url + "/{Direction}/{RemoteNumber|e164}?d={EventTime|date:%Y/%m}"
    create(pbx, url, Method.PUT, OPTIONS)
    name = 'Ana "A", {PBX}'
    delivery_id = report(pbx, peer="0721 000 001", caller_name=name)
    engine.start()
    [arrival] = receiver.wait_for(1)
    assert arrival.method == "PUT"
    assert arrival.path == "/in/%2B40721000001"
    assert arrival.target.partition("?d=")[2][4:7] == "%2F"
    assert arrival.headers["X-From"] == "+40721000001"
    assert arrival.headers["Content-Type"] == "application/json"
    body = json.loads(arrival.body)
    assert isinstance(body.pop("at"), int)
    assert body == {
        "from": "+40721000001", "name": name, "to": 101, "way": "inbound", "queue": None,
    }  # fmt: skip
    wait_for_state(delivery_id, DeliveryState.DELIVERED)
    [attempt] = list_attempts(delivery_id)
    assert (attempt.method, attempt.request_body) == ("PUT", arrival.body)


def test_values_of_the_delivery_come_first(pbx: Pbx, receiver: Receiver, engine: Engine) -> None:
    """Values that a delivery has of its own are sent, as parameters and for placeholders."""
    url = receiver.url + "/{Outcome}/{AnsweredBy}"
    create(pbx, url, Method.POST, HookOptions(), EventType.HANGUP)
    delivery_id = report(pbx, EventType.HANGUP, peer="0721000001", cause=19)
    begin_write()
    values = {"Outcome": "abandoned", "AnsweredBy": "", "Extension": "102", "TalkSeconds": "0"}
    db.session.get_one(Delivery, delivery_id).call_values = json.dumps(values)
    db.session.commit()
    engine.start()
    [arrival] = receiver.wait_for(1)
    assert arrival.path == "/abandoned/"
    sent = arrival.parameters
    assert {name: sent[name] for name in values} == values
    assert sent["HangupCause"] == "19"
