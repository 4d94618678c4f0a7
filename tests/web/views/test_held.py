"""What waits when a request is disabled or removed: said, cancelled or brought back, by forms."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from callevents.db.models import Delivery, Extension, Hook, Pbx, Removal, utc_now
from callevents.db.session import begin_write
from callevents.delivery.removal import end_removals
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"
HTMX = {"HX-Request": "true"}
PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD
CANCELLED = DeliveryState.CANCELLED


@pytest.fixture
def hook(pbx: Pbx, configure: Configure) -> Hook:
    """A hook for dial-in of extension 101, for which six deliveries wait."""
    configure.extension("101", "Reception")
    hook = configure.hook("101", EventType.DIAL_IN, "http://crm.example.com/pop")
    begin_write()
    accept(
        pbx,
        [
            Report(event_type=EventType.DIAL_IN, extension="101", call_id=f"c-{number}")
            for number in range(6)
        ],
    )
    db.session.commit()
    return hook


@pytest.fixture
def place(hook: Hook) -> str:
    """The path of the extension's page."""
    return f"{BASE}/extensions/{hook.extension_id}"


def post(visitor: Visitor, path: str, **fields: object) -> tuple[int, Any]:
    """Submit a form as htmx does; return the status and the toast."""
    data = {"csrf_token": visitor.token, **fields}
    answer = visitor.client.post(path, data=data, headers=HTMX)
    return answer.status_code, json.loads(answer.headers["HX-Trigger"])["toast"]


def states() -> set[DeliveryState]:
    """Return the states of all deliveries."""
    db.session.rollback()
    return set(db.session.scalars(select(Delivery.state)))


def buttons(page: str) -> dict[str, str]:
    """Return the actions of the message's forms, by the text of their button."""
    notice = page.split("notice-actions")[1].split("</div>", maxsplit=1)[0]
    actions = re.findall(r'action="([^"]+)"', notice)
    texts = re.findall(r'type="submit">([^<]+)<', notice)
    return dict(zip(texts, actions, strict=True))


def test_disabling_says_what_is_held(admin: Visitor, hook: Hook, place: str) -> None:
    """The toast has the number and offers to cancel; enabling says that they go on."""
    active = f"{place}/requests/{hook.event_id}/active"
    _, toast = post(admin, active, active="no")
    assert toast["text"] == "Dial-In of 101 is disabled. 6 waiting deliveries held."
    assert list(toast["actions"]) == ["Cancel them instead"]
    assert states() == {HELD}
    _, toast = post(admin, active, active="yes")
    assert toast["text"] == "Dial-In of 101 is enabled. 6 waiting deliveries go on."
    assert toast["actions"] == {}
    assert states() == {PENDING}


def test_dialog_says_it_too(admin: Visitor, hook: Hook, place: str) -> None:
    """Unticking 'This event is active' in the dialog holds them as well."""
    fields = {"method": "GET", "url": hook.url, "give_up_seconds": "86400", "in_order": "y"}
    fields |= {"body_format": "form", "parameters": "all", "auth": "none", "signing": "keep"}
    change = f"{place}/requests/{hook.event_id}"
    _, toast = post(admin, change, **fields)
    assert toast["text"] == "Dial-In: the request is saved. 6 waiting deliveries held."
    assert list(toast["actions"]) == ["Cancel them instead"]
    _, toast = post(admin, change, **fields, active="y")
    assert toast["text"] == "Dial-In: the request is saved. 6 waiting deliveries go on."
    assert toast["actions"] == {}


def test_cancelled_instead(admin: Visitor, hook: Hook, place: str) -> None:
    """The button cancels what is held, unless the request was enabled in another tab."""
    active = f"{place}/requests/{hook.event_id}/active"
    _, toast = post(admin, active, active="no")
    url = toast["actions"]["Cancel them instead"]
    post(admin, active, active="yes")
    status, refused = post(admin, url)
    assert (status, refused["kind"]) == (409, "error")
    assert "has been enabled since" in refused["text"]
    assert states() == {PENDING}
    post(admin, active, active="no")
    assert post(admin, url)[1]["text"] == "6 waiting deliveries cancelled."
    assert states() == {CANCELLED}
    assert post(admin, url)[1]["text"] == "0 waiting deliveries cancelled."


def test_without_javascript(admin: Visitor, hook: Hook, place: str) -> None:
    """The message on the next page has the buttons, as forms."""
    assert admin.post(f"{place}/requests/{hook.event_id}/active", active="no").location == place
    page = admin.get(place).text
    assert "6 waiting deliveries held." in page
    answer = admin.post(buttons(page)["Cancel them instead"])
    assert (answer.status_code, answer.location) == (303, place)
    assert "6 waiting deliveries cancelled." in admin.get(place).text
    assert states() == {CANCELLED}


def test_held_ones_in_the_log(admin: Visitor, hook: Hook, place: str) -> None:
    """They have a state of their own, can be filtered, say why they wait, and can be cancelled."""
    admin.post(f"{place}/requests/{hook.event_id}/active", active="no")
    log = f"{BASE}/deliveries"
    page = admin.get(f"{log}?state=held").text
    assert page.count("waiting: the request is disabled</td>") == 6
    assert page.count("state-held") == 6
    assert "Cancel all held…" in page
    assert "No deliveries match" in admin.get(f"{log}?state=pending").text
    delivery_id = db.session.scalars(select(Delivery.id)).first()
    shown = admin.get(f"{log}/{delivery_id}").text
    assert "Waiting: the request is disabled. Enable it to let this delivery go on." in shown
    assert "Waiting: the request is disabled." in admin.get(f"{BASE}/call?id=c-0").text
    refused = admin.post(f"{log}/{delivery_id}/resend")
    assert refused.status_code == 409
    assert "the request is disabled" in refused.text
    assert admin.post(f"{log}/{delivery_id}/cancel").status_code == 303
    assert "5 deliveries will be cancelled" in admin.get(f"{log}/cancel?state=held").text
    assert admin.post(f"{log}/cancel?state=held").status_code == 303
    assert states() == {CANCELLED}


def test_clearing_says_what_ends_and_offers_undo(admin: Visitor, hook: Hook, place: str) -> None:
    """The question and the toast have the number; Undo brings back the request with all of it."""
    before = admin.get(place).text
    question = admin.get(f"{place}/clear?event_id={hook.event_id}").text
    assert "6 waiting deliveries are cancelled with it." in question
    assert states() == {PENDING}, "asking changes nothing"
    status, toast = post(admin, f"{place}/clear", event_id=hook.event_id)
    assert status == 204
    assert toast["text"] == "1 request cleared. 6 waiting deliveries end with it."
    delivery_id = db.session.scalars(select(Delivery.id)).first()
    shown = admin.get(f"{BASE}/deliveries/{delivery_id}").text
    assert "the request has just been removed" in shown
    assert hook.event_id not in admin.get(place).text
    status, done = post(admin, toast["actions"]["Undo"])
    assert status == 204
    assert done["text"] == "1 request is back. 6 deliveries wait again."
    assert admin.get(place).text.count(hook.event_id) == before.count(hook.event_id)
    assert states() == {PENDING}
    status, twice = post(admin, toast["actions"]["Undo"])
    assert (status, twice["kind"]) == (409, "error")
    assert twice["text"].startswith("There is nothing to undo: it has been undone already")


def test_deleted_extension_is_back(admin: Visitor, hook: Hook, place: str) -> None:
    """An extension is deleted and comes back with its requests, without JavaScript."""
    question = admin.get(f"{place}/delete").text
    assert "6 waiting deliveries are cancelled with it." in question
    assert admin.post(f"{place}/delete").location == f"{BASE}/extensions"
    page = admin.get(f"{BASE}/extensions").text
    assert "101 is deleted. 6 waiting deliveries end with it." in page
    assert admin.get(place).status_code == 404
    answer = admin.post(buttons(page)["Undo"])
    assert (answer.status_code, answer.location) == (303, f"{BASE}/extensions")
    page = admin.get(f"{BASE}/extensions").text
    assert "101 is back, with 1 request. 6 deliveries wait again." in page
    assert hook.event_id in admin.get(place).text
    assert states() == {PENDING}


def test_nothing_waits(admin: Visitor, configure: Configure, pbx: Pbx) -> None:
    """Where nothing waits, nothing is said of deliveries, and Undo is offered all the same."""
    hooks_of_all = [configure.hook("*", EventType.HANGUP, "http://a/") for _ in range(2)]
    chosen = "&".join(f"event_id={hook.event_id}" for hook in hooks_of_all)
    place = f"{BASE}/extensions/all"
    assert "No deliveries wait for them." in admin.get(f"{place}/clear?{chosen}").text
    answer = admin.client.post(f"{place}/clear?{chosen}", data={"csrf_token": admin.token})
    assert answer.location == place
    page = admin.get(place).text
    assert "2 requests cleared.</p>" in page
    assert admin.post(buttons(page)["Undo"]).location == place
    assert "2 requests are back.</p>" in admin.get(place).text


def test_too_late(admin: Visitor, hook: Hook, place: str) -> None:
    """After the removal has ended, the message says so, and the log shows what was cancelled."""
    _, toast = post(admin, f"{place}/clear", event_id=hook.event_id)
    end_removals(db.engine, utc_now() + timedelta(seconds=1))
    answer = admin.post(toast["actions"]["Undo"])
    assert answer.status_code == 409
    assert "the removal is final by now" in answer.text
    assert states() == {CANCELLED}
    delivery_id = db.session.scalars(select(Delivery.id)).first()
    shown = admin.get(f"{BASE}/deliveries/{delivery_id}").text
    assert "Cancelled: the request was removed." in shown


def test_undo_is_for_admins_and_of_the_pbx(
    admin: Visitor, viewer: Visitor, hook: Hook, place: str, other_pbx: Pbx
) -> None:
    """A viewer cannot undo, cancel or remove; a removal of another PBX is unknown."""
    viewer.get(place)
    for path in (f"{place}/requests/{hook.event_id}/cancel-held", f"{place}/clear"):
        assert viewer.post(path).status_code == 403
    _, toast = post(admin, f"{place}/clear", event_id=hook.event_id)
    url = toast["actions"]["Undo"]
    assert viewer.post(url).status_code == 403
    assert admin.post(url.replace("head-office", "branch")).status_code == 409
    assert admin.post(url.replace(hook.extension_id or "", "elsewhere")).status_code == 404
    db.session.rollback()
    assert db.session.scalars(select(Removal)).one()
    assert admin.post(url).status_code == 303


def test_overview_counts_them(admin: Visitor, hook: Hook) -> None:
    """The backlog says how many are held beside those that are due."""
    begin_write()
    hooks.set_active(db.session.get_one(Hook, hook.id), active=False)
    db.session.commit()
    assert "6 held" in admin.get("/overview").text
    assert db.session.scalars(select(Extension.number)).all() == ["101"]
