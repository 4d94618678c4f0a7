"""Values of answers: kept with the call, and used by its next requests to the receiver."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.db.models import CallAnswer, Hook, Pbx, Receiver, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.answers import keep_answers
from callevents.delivery.claim import OfReceiver
from callevents.delivery.http.client import Response
from callevents.enums import BodyFormat, DeliveryState, EventType, Method, MissingAnswer
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.hooks import HookData, create_hook
from callevents.hooks.options import Answers, BodyTemplate, CustomHeader, HookOptions
from callevents.operations.erasure import erase
from callevents.operations.number_search import Number
from tests.delivery.conftest import MakeEngine, ReportCall
from tests.support.receiver import Arrival, Reply
from tests.support.receiver import Receiver as Application
from tests.support.waiting import wait_for_state

DELIVERED, FAILED = DeliveryState.DELIVERED, DeliveryState.FAILED


@pytest.fixture
def crm(app: Flask, receiver: Application) -> Receiver:
    """A receiver of the requests."""
    begin_write()
    crm = Receiver(slug="crm", name="CRM", address=receiver.url)
    db.session.add(crm)
    db.session.commit()
    return crm


AddHook = Callable[..., Hook]


@pytest.fixture
def add_hook(crm: Receiver, pbx: Pbx) -> AddHook:
    """Adds requests of the receiver for all extensions."""

    def add(event: EventType, path: str, options: HookOptions) -> Hook:
        begin_write()
        url = f"{crm.address}{path}"
        data = HookData(url, Method.POST, options=options, receiver_id=crm.id)
        hook = create_hook(pbx, None, event, data)
        db.session.commit()
        return hook

    return add


@pytest.fixture
def hooks(add_hook: AddHook) -> list[Hook]:
    """A request that registers the call, and one that ends it with the ID from the answer."""
    body = '{"id": "{answer.CALL_ID}", "seconds": {Duration|number}}'
    register = HookOptions(answers=Answers({"CALL_ID": "/result/CALL_ID"}))
    finish = HookOptions(
        body_format=BodyFormat.TEMPLATE, body_template=BodyTemplate("application/json", body)
    )
    return [
        add_hook(EventType.DIAL_IN, "/register", register),
        add_hook(EventType.HANGUP, "/finish/{answer.CALL_ID}", finish),
    ]


def answers_with(body: object) -> Callable[[Arrival], Reply]:
    """Return a reply with that JSON to requests that register."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda arrival: Reply(body=text if arrival.path == "/register" else b"ok")


def calls_with_values() -> set[str]:
    """Return the calls for which values are kept."""
    db.session.rollback()
    return set(db.session.scalars(select(CallAnswer.call_id)))


def kept() -> dict[str, str]:
    """Return the values that are kept, by name."""
    db.session.rollback()
    return {row.name: row.value for row in db.session.scalars(select(CallAnswer))}


def test_value_of_one_answer_in_the_next_request(
    hooks: list[Hook], report_call: ReportCall, make_engine: MakeEngine, receiver: Application
) -> None:
    """The value comes back in the URL and the body of the call's next request, escaped."""
    receiver.reply = answers_with({"result": {"CALL_ID": 'a/b "c"'}})
    [first] = report_call("c1", 1)
    [last] = report_call("c1", 2, event=EventType.HANGUP)
    engine = make_engine(poll_seconds=0.05)
    engine.wake()
    wait_for_state(first, DELIVERED)
    wait_for_state(last, DELIVERED)
    register, finish = receiver.arrivals
    assert (register.path, finish.path) == ("/register", "/finish/a%2Fb%20%22c%22")
    assert json.loads(finish.body) == {"id": 'a/b "c"', "seconds": None}
    assert kept() == {"CALL_ID": 'a/b "c"'}


def test_values_stay_with_their_call(
    hooks: list[Hook], report_call: ReportCall, make_engine: MakeEngine, receiver: Application
) -> None:
    """Each call has its own value."""
    receiver.reply = lambda arrival: Reply(
        body=json.dumps({"result": {"CALL_ID": f"id-{arrival.parameters['CallID']}"}}).encode()
        if arrival.path == "/register"
        else b"ok"
    )
    ids = []
    for call in ("c1", "c2", "c3"):
        ids += report_call(call, 1)
        ids += report_call(call, 2, event=EventType.HANGUP)
    make_engine(poll_seconds=0.05).wake()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    paths = {arrival.path for arrival in receiver.arrivals if arrival.path != "/register"}
    assert paths == {"/finish/id-c1", "/finish/id-c2", "/finish/id-c3"}


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        {"result": None},
        {"result": {"CALL_ID": {"a": 1}}},
        {"result": {"CALL_ID": "x" * 2000}},
    ],
    ids=["html", "empty", "null", "object", "long"],
)
def test_missing_value(
    hooks: list[Hook],
    report_call: ReportCall,
    make_engine: MakeEngine,
    receiver: Application,
    body: object,
) -> None:
    """Without the value, the next request fails for good, with a sentence, and is not sent."""
    receiver.reply = answers_with(body)
    [first] = report_call("c1", 1)
    [last] = report_call("c1", 2, event=EventType.HANGUP)
    make_engine(poll_seconds=0.05).wake()
    wait_for_state(first, DELIVERED)
    failed = wait_for_state(last, FAILED)
    assert "There is no value for {answer.CALL_ID}" in failed.error
    assert failed.error.endswith("This delivery is not retried.")
    assert failed.attempts == 1
    assert [arrival.path for arrival in receiver.arrivals] == ["/register"]


def test_missing_value_that_may_be_omitted(
    hooks: list[Hook], report_call: ReportCall, make_engine: MakeEngine, receiver: Application
) -> None:
    """A request that may go without the value is sent with an empty one."""
    begin_write()
    db.session.merge(hooks[1]).missing_answer = MissingAnswer.OMIT
    db.session.commit()
    [last] = report_call("c1", 2, event=EventType.HANGUP)
    make_engine().drain()
    wait_for_state(last, DELIVERED)
    assert json.loads(receiver.arrivals[0].body)["id"] == ""


def test_waits_for_its_turn(
    hooks: list[Hook], report_call: ReportCall, make_engine: MakeEngine, receiver: Application
) -> None:
    """While the request before is tried again, the next one waits, however often that fails."""
    failures = iter([500, 503])
    receiver.reply = lambda arrival: (
        Reply(next(failures, 200), body=b'{"result": {"CALL_ID": 7}}')
        if arrival.path == "/register"
        else Reply()
    )
    [last] = report_call("c1", 2, event=EventType.HANGUP)
    [first] = report_call("c1", 1)
    make_engine(poll_seconds=0.05, retry_schedule_seconds=(0.05, 0.05, 0.05)).wake()
    wait_for_state(first, DELIVERED)
    wait_for_state(last, DELIVERED)
    paths = [arrival.path for arrival in receiver.arrivals]
    assert paths == ["/register"] * 3 + ["/finish/7"]


def test_values_of_failed_requests_are_not_kept(
    hooks: list[Hook], report_call: ReportCall, make_engine: MakeEngine, receiver: Application
) -> None:
    """What stands in an error's body is no answer."""
    receiver.reply = lambda _arrival: Reply(410, body=b'{"result": {"CALL_ID": 7}}')
    [first] = report_call("c1", 1)
    make_engine().drain()
    wait_for_state(first, FAILED)
    assert kept() == {}


def test_headers_use_values_too(
    hooks: list[Hook],
    add_hook: AddHook,
    report_call: ReportCall,
    make_engine: MakeEngine,
    receiver: Application,
) -> None:
    """A custom header may use the value, although headers are stored encrypted."""
    header = CustomHeader("X-Call", "{answer.CALL_ID}")
    add_hook(EventType.ANSWER_IN, "/answered", HookOptions(headers=[header]))
    receiver.reply = answers_with({"result": {"CALL_ID": "id-7"}})
    report_call("c1", 1)
    [answered] = report_call("c1", 2, event=EventType.ANSWER_IN)
    make_engine(poll_seconds=0.05).wake()
    wait_for_state(answered, DELIVERED)
    assert receiver.arrivals[-1].headers["X-Call"] == "id-7"


@pytest.mark.parametrize(
    "options",
    [
        HookOptions(in_order=False, answers=Answers({"CALL_ID": "/id"})),
        HookOptions(in_order=False, headers=[CustomHeader("X-Call", "{answer.CALL_ID|upper}")]),
    ],
    ids=["keeps", "uses"],
)
def test_order_is_needed(add_hook: AddHook, options: HookOptions) -> None:
    """A request that keeps or uses values cannot be sent without the order of the call."""
    with pytest.raises(InvalidError) as raised:
        add_hook(EventType.DIAL_IN, "/", options)
    assert list(raised.value.errors) == ["in_order"]


def test_later_values_replace_earlier_ones(pbx: Pbx) -> None:
    """Of two answers with a value of the same name, the later one counts."""
    for number in (1, 2):
        now = utc_now() + timedelta(seconds=number)
        of = OfReceiver(5, pbx.id, "c1")
        response = Response(now, 1, "", 200, answers={"A": f"v{number}", "B": "same"})
        earlier = Response(now - timedelta(seconds=9), 1, "", 200, answers={"A": "old"})
        with write_transaction(db.engine) as connection:
            keep_answers(connection, [(of, response), (of, earlier)], now)
        assert kept() == {"A": f"v{number}", "B": "same"}


def test_erasing_a_number_erases_the_values(
    hooks: list[Hook], report_call: ReportCall, make_engine: MakeEngine, receiver: Application
) -> None:
    """What a receiver has answered about a call goes with the call, and no other call's does."""
    receiver.reply = answers_with({"result": {"CALL_ID": "id-7"}})
    ids = report_call("c1", 1, extension="4930123456") + report_call("c2", 1)
    make_engine().drain()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    number = Number.of("4930123456")
    list(erase(db.engine, number, threading.Event(), dry_run=True))
    assert calls_with_values() == {"c1", "c2"}
    list(erase(db.engine, number, threading.Event()))
    assert calls_with_values() == {"c2"}
