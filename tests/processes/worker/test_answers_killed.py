"""A worker that is killed between two requests of a call: the value of the answer is not lost."""

import json
import os
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Pbx, Receiver, utc_now
from callevents.db.session import begin_write
from callevents.enums import BodyFormat, DeliveryState, EventType, Method
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure, RunPython
from tests.jobs.test_waker import worker_settings
from tests.support.programs import ROOT, Program
from tests.support.receiver import Arrival, Reply
from tests.support.receiver import Receiver as Application
from tests.support.waiting import wait_for_state

DELIVERED = DeliveryState.DELIVERED


@pytest.fixture
def crm(app: Flask, pbx: Pbx, configure: Configure, receiver: Application) -> Receiver:
    """A receiver at which calls are registered, and finished with the ID from the answer."""
    begin_write()
    crm = Receiver(slug="crm", name="CRM", address=receiver.url)
    db.session.add(crm)
    db.session.commit()
    register = configure.hook("*", EventType.DIAL_IN, f"{crm.address}/register", Method.POST)
    finish = configure.hook("*", EventType.HANGUP, f"{crm.address}/finish", Method.POST)
    begin_write()
    register.receiver_id = finish.receiver_id = crm.id
    register.answers = json.dumps({"CALL_ID": "/result/CALL_ID"})
    finish.body_format, finish.content_type = BodyFormat.TEMPLATE, "application/json"
    finish.body_template = '{"CALL_ID": "{answer.CALL_ID}"}'
    db.session.commit()
    return crm


def start_worker(run_python: RunPython, settings: Settings) -> Program:
    """Start a worker process that looks for due deliveries."""
    command = ("-m", "flask", "--app", str(ROOT / "app.py"), "worker")
    changes = {"poll_seconds": "0.05", "lease_seconds": "2"}
    worker = run_python(*command, **worker_settings(settings, **changes))
    worker.wait_for_line("worker started")
    return worker


def report(pbx: Pbx, *events: EventType) -> list[str]:
    """Accept events of one call, a second after each other; return the IDs of their deliveries."""
    begin_write()
    began = utc_now() - timedelta(minutes=1)
    reports = [
        Report(
            event_type=event, extension="101", call_id="c1", at=began + timedelta(seconds=number)
        )
        for number, event in enumerate(events)
    ]
    ids = [event.id for event in accept(pbx, reports)]
    query = select(Delivery.id).where(Delivery.call_event_id.in_(ids)).order_by(Delivery.id)
    found = list(db.session.scalars(query))
    db.session.commit()
    return found


def kill(worker: Program) -> None:
    """Kill the worker without a chance to do anything."""
    os.killpg(worker.process.pid, 9)
    worker.process.wait()


def test_killed_after_the_answer(
    crm: Receiver,
    settings: Settings,
    pbx: Pbx,
    receiver: Application,
    run_python: RunPython,
) -> None:
    """What the first worker has got from an answer, the next one sends."""
    receiver.reply = lambda _arrival: Reply(body=b'{"result": {"CALL_ID": "id-7"}}')
    first = start_worker(run_python, settings)
    [registered] = report(pbx, EventType.DIAL_IN)
    wait_for_state(registered, DELIVERED)
    kill(first)
    [finished] = report(pbx, EventType.HANGUP)
    start_worker(run_python, settings)
    wait_for_state(finished, DELIVERED)
    assert json.loads(receiver.arrivals[-1].body) == {"CALL_ID": "id-7"}


def test_killed_before_the_answer(
    crm: Receiver,
    settings: Settings,
    pbx: Pbx,
    receiver: Application,
    run_python: RunPython,
) -> None:
    """If the answer has reached nobody, the call is registered again, and finished after that."""
    go_on = threading.Event()

    def reply(arrival: Arrival) -> Reply:
        number = sum(one.path == "/register" for one in receiver.arrivals)
        body = json.dumps({"result": {"CALL_ID": f"id-{number}"}}).encode()
        hangs = arrival.path == "/register" and number == 1
        return Reply(body=body, hold=go_on.wait if hangs else None)

    receiver.reply = reply
    first = start_worker(run_python, settings)
    ids = report(pbx, EventType.DIAL_IN, EventType.HANGUP)
    receiver.wait_for(1)
    kill(first)
    go_on.set()
    start_worker(run_python, settings)
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    paths = [arrival.path for arrival in receiver.arrivals]
    assert paths == ["/register", "/register", "/finish"]
    assert json.loads(receiver.arrivals[-1].body) == {"CALL_ID": "id-2"}
