"""From no receiver to forty connected extensions and their calls, in a browser."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import select

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.enums import DeliveryState
from callevents.extensions import db
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways
from tests.conftest import Configure, RunPython
from tests.processes.listener.conftest import Listening, connect, stored
from tests.recipes.simulated.base import listen
from tests.recipes.simulated.zammad import TOKEN, Zammad
from tests.support.ami_server import AmiServer
from tests.support.receiver import Receiver
from tests.support.ring_group import ANSWERED_BY, CALLER, PHONES, ring_five
from tests.support.waiting import wait_until
from tests.support.worker_process import start_worker

Ring = Callable[[], None]


@pytest.fixture
def forty(configure: Configure) -> None:
    """Forty extensions, 101 to 140."""
    for number in range(101, 141):
        configure.extension(str(number))


@pytest.fixture
def ring(
    app: Flask, pbx: Pbx, settings: Settings, forty: None, run_python: RunPython
) -> Iterator[Ring]:
    """Lets an Asterisk ring five phones; a listener stores its events, and a worker sends them."""
    start_worker(run_python, settings)
    with closing(AmiServer()) as asterisk:
        connect(pbx, "asterisk", asterisk.port)
        listening = Listening(app)
        try:
            asterisk.wait_for_listener()
            yield lambda: asterisk.say(ring_five(utc_now()))
        finally:
            listening.stop()


def add_zammad(page: Page, url: str) -> None:
    """Add it from the empty state of the page 'Receivers'."""
    page.get_by_role("link", name="Receivers").click()
    page.get_by_role("link", name="Zammad").click()
    page.get_by_label("Address of Zammad").fill(url)
    page.get_by_label("CTI token").fill(TOKEN)
    check_accessibility(page)
    page.get_by_role("button", name="Add Zammad").click()


def connect_forty(page: Page) -> None:
    """Tick all extensions, and make their requests."""
    expect(page.get_by_role("button", name="Connect")).to_be_disabled()
    page.get_by_label("Tick all 40").check()
    check_accessibility(page)
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Zammad", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="200 requests")).to_be_visible()


def send_test(page: Page) -> None:
    """Send the recipe's test; the dialog shows that it was accepted."""
    page.get_by_role("link", name="Send test").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send test").click()
    expect(dialog.locator(".state-delivered")).to_be_visible()
    check_accessibility(page)


def list_states() -> list[DeliveryState]:
    """Return the states of all deliveries."""
    db.session.rollback()
    return list(db.session.scalars(select(Delivery.state)))


def events_of(socket: Receiver, call_id: str) -> list[dict[str, str]]:
    """Return the requests about a call."""
    bodies = [json.loads(arrival.body) for arrival in socket.arrivals]
    return [body for body in bodies if body["callId"] == call_id]


def test_zammad_from_the_empty_state_to_a_call(admin: Page, pbx: Pbx, ring: Ring) -> None:
    """Address, token, forty ticks, an accepted test; then five phones ring, and make one entry."""
    zammad = Zammad()
    with closing(listen(zammad)) as socket:
        add_zammad(admin, socket.url)
        connect_forty(admin)
        send_test(admin)
        assert [entry.state for entry in zammad.log.values()] == ["newCall"]
        zammad.log.clear()
        ring()
        wait_until(lambda: list_states() == [DeliveryState.DELIVERED] * 3, "three deliveries")
        admin.reload()
        expect(admin.get_by_text("delivered", exact=True)).to_be_visible()
    assert {event.extension for event in stored(pbx)} == set(PHONES)
    [(call_id, entry)] = zammad.log.items()
    assert (entry.direction, entry.from_number, entry.state) == ("in", CALLER, "hangup")
    assert (entry.comment, entry.is_done) == ("normalClearing", True)
    started, answered, ended = events_of(socket, call_id)
    assert (started["event"], answered["event"], ended["event"]) == ("newCall", "answer", "hangup")
    assert answered["answeringNumber"] == ended["answeringNumber"] == ANSWERED_BY
    assert zammad.refused == []
    assert len(socket.arrivals) == 4
    assert db.session.query(Hook).count() == 200


@pytest.mark.parametrize("path", ["", "/new", "/new/zammad", "/new-address"])
def test_pages_are_narrow(sign_in: People, path: str) -> None:
    """No page scrolls sideways on a phone."""
    page = sign_in.open("admin", viewport=NARROW, color_scheme="dark")
    page.goto(f"/receivers{path}")
    assert not scrolls_sideways(page)
    check_accessibility(page)
