"""A worker that is killed within a call: Bitrix24 gets its CALL_ID back from the next worker."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from callevents.config.settings import Settings
from callevents.db.models import CallAnswer, Delivery, Pbx
from callevents.enums import DeliveryState
from callevents.extensions import db
from tests.conftest import Configure, RunPython
from tests.recipes.conftest import CALLER, PHONES, Line
from tests.recipes.simulated.base import listen
from tests.recipes.simulated.bitrix24 import USERS, Bitrix24
from tests.support.programs import Program
from tests.support.receiver import Arrival, Receiver, Reply
from tests.support.waiting import wait_until
from tests.support.worker_process import kill, start_worker

#: Other users than those that Bitrix24 itself knows by the extensions.
USER_MAP = dict(zip(PHONES, reversed(USERS.values()), strict=True))
ANSWERED_BY = "104"
Start = Callable[[], Program]
REGISTER, FINISH = "telephony.externalcall.register.json", "telephony.externalcall.finish.json"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A call that PBXs report by HTTP is over at once after the last hangup."""
    return settings.model_copy(update={"call_end_seconds": 0.1})


@pytest.fixture
def bitrix() -> Bitrix24:
    """A Bitrix24."""
    return Bitrix24()


@pytest.fixture
def socket(bitrix: Bitrix24) -> Iterator[Receiver]:
    """The socket of Bitrix24."""
    with closing(listen(bitrix)) as socket:
        yield socket


@pytest.fixture
def line(client: FlaskClient, pbx: Pbx, token: str, configure: Configure, socket: Receiver) -> Line:
    """A PBX with five phones, connected to Bitrix24, with a user map; no worker runs."""
    for phone in PHONES:
        configure.extension(phone)
    line = Line(client, pbx, token)
    users = {phone: str(user) for phone, user in USER_MAP.items()}
    line.add("bitrix24", Bitrix24.answers_at(socket.url), users)
    return line


@pytest.fixture
def start(run_python: RunPython, settings: Settings) -> Start:
    """Starts a worker process that looks for due deliveries."""
    return lambda: start_worker(run_python, settings, poll_seconds="0.05", lease_seconds="2")


def list_states() -> list[DeliveryState]:
    """Return the states of all deliveries."""
    db.session.rollback()
    return list(db.session.scalars(select(Delivery.state)))


def wait_for_deliveries(count: int) -> None:
    """Wait until there are this many deliveries, all delivered."""
    delivered = [DeliveryState.DELIVERED] * count
    wait_until(lambda: list_states() == delivered, f"{count} deliveries")


def list_kept() -> list[str]:
    """Return the kept values of answers."""
    db.session.rollback()
    return list(db.session.scalars(select(CallAnswer.value)))


def read_bodies(socket: Receiver, method: str) -> list[dict[str, Any]]:
    """Return what Bitrix24 was asked by this method."""
    arrivals = [one for one in socket.arrivals if one.path.endswith(f"/{method}")]
    return [json.loads(arrival.body) for arrival in arrivals]


def check_finish(socket: Receiver, bitrix: Bitrix24, call_id: str) -> None:
    """Check that this call was finished, for the user of the extension that answered."""
    [finish] = read_bodies(socket, FINISH)
    assert (finish["CALL_ID"], finish["USER_ID"]) == (call_id, USER_MAP[ANSWERED_BY])
    call = bitrix.calls[call_id]
    assert (call.phone_number, call.finished_by) == (CALLER, USER_MAP[ANSWERED_BY])
    assert (call.duration, call.status) == (42, "200")
    assert bitrix.refused == []


def test_killed_after_the_answer_was_kept(
    line: Line, bitrix: Bitrix24, socket: Receiver, start: Start
) -> None:
    """The next worker finishes the call with the CALL_ID that the first one has kept."""
    first = start()
    line.ring()
    wait_for_deliveries(1)
    kill(first)
    [call_id] = bitrix.calls
    assert list_kept() == [call_id]
    line.end(ANSWERED_BY)
    start()
    wait_for_deliveries(2)
    assert len(read_bodies(socket, REGISTER)) == 1
    check_finish(socket, bitrix, call_id)


@pytest.mark.parametrize("forgets", [False, True], ids=["same ID", "another ID"])
def test_killed_before_the_answer_arrived(
    line: Line, bitrix: Bitrix24, socket: Receiver, start: Start, *, forgets: bool
) -> None:
    """Bitrix24 has registered the call, and its answer reached nobody.

    The next worker registers it again, and finishes it with the CALL_ID of that answer, whether
    Bitrix24 gives the same ID or, after half an hour, another one.
    """
    go_on = threading.Event()

    def reply(arrival: Arrival) -> Reply:
        is_first = len(socket.arrivals) == 1
        return replace(bitrix(arrival), hold=go_on.wait if is_first else None)

    socket.reply = reply
    first = start()
    line.ring()
    wait_until(lambda: bitrix.calls, "the registered call")
    kill(first)
    go_on.set()
    assert (DeliveryState.DELIVERED in list_states(), list_kept()) == (False, [])
    if forgets:
        bitrix.forget()
    line.end(ANSWERED_BY)
    start()
    wait_for_deliveries(2)
    register, again = read_bodies(socket, REGISTER)
    assert register == again
    *unfinished, call_id = bitrix.calls
    assert len(unfinished) == forgets
    assert list_kept() == [call_id]
    check_finish(socket, bitrix, call_id)
