"""Conditions and skipped deliveries on the pages: tables, the log, a call, recent reports."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from callevents.conditions import Conditions, Hours
from callevents.db.models import Delivery, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import HookOptions
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.web.conftest import Visitor

PBX = "/pbxs/head-office"
LOG = f"{PBX}/deliveries"
CONDITIONS = Conditions(
    *(("in",), "internal"),
    hours=Hours((1, 2, 3, 4, 5, 6, 7), "00:00", "00:00", "Europe/Bucharest"),
    numbers=("1*", "2*", "3*", "+40721000009"),
)
REASON = "the call was external"


@pytest.fixture
def hook(pbx: Pbx) -> Hook:
    """A hook for all extensions, with conditions."""
    begin_write()
    data = hooks.HookData("https://crm.example.com/", options=HookOptions(conditions=CONDITIONS))
    hook = hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
    db.session.commit()
    return hook


@pytest.fixture
def skipped(pbx: Pbx, hook: Hook) -> str:
    """The ID of a skipped delivery."""
    begin_write()
    accept(pbx, [Report(EventType.DIAL_IN, "101", call_id="c-1", peer="+40721000001")])
    db.session.commit()
    delivery_id = db.session.scalars(select(Delivery.id)).one()
    db.session.rollback()
    return delivery_id


def words(page: str) -> str:
    """Return the text of the page, with single spaces."""
    text = re.sub(r"<svg.*?</svg>|<[^>]*>", " ", page, flags=re.DOTALL)
    return " ".join(text.split())


def test_table_says_the_conditions(admin: Visitor, hook: Hook) -> None:
    """The row has them in words, briefly, and whole in its tooltip."""
    page = admin.get(f"{PBX}/extensions/all").text
    said = "Only incoming internal calls, every day (Europe/Bucharest), numbers 1*, 2*, 3*"
    assert f"{said} and 1 more" in words(page)
    assert f'title="{said}, +40721000009"' in page


def test_whoever_may_not_change_it(viewer: Visitor, pbx: Pbx) -> None:
    """A viewer sees conditions, maps and values kept from answers as they are configured."""
    begin_write()
    maps = {"direction": {"IN": "in", "OUT": "out"}}
    options = HookOptions(conditions=CONDITIONS, value_maps=maps)
    hook = hooks.create_hook(
        pbx, None, EventType.DIAL_IN, hooks.HookData("https://a/", options=options)
    )
    # As of a request of a receiver.
    hook.answers = '{"CALL_ID": "/result/CALL_ID"}'
    db.session.commit()
    text = words(viewer.get(f"{PBX}/extensions/all/requests/{hook.event_id}").text)
    assert "Only if incoming internal calls, every day (Europe/Bucharest), numbers 1*" in text
    assert "Value maps direction: IN = in direction: OUT = out" in text
    assert "Kept from the answer CALL_ID = /result/CALL_ID" in text


def test_log(admin: Visitor, skipped: str) -> None:
    """The list shows state and reason, can be filtered by the state, and offers to send it."""
    for query in ("", "?state=skipped", "?state=skipped&pbx=head-office"):
        page = admin.get(f"{LOG}{query}").text
        [row] = re.findall(r'<tr id="delivery-.*?</tr>', page, re.DOTALL)
        assert f" skipped 0 {REASON} Send again" in words(row)
        assert "no response" not in row
    assert re.search(r'<option value="skipped"\s*>Skipped</option>', admin.get(LOG).text)
    assert skipped not in admin.get(f"{LOG}?state=failed").text


def test_page_of_the_delivery(admin: Visitor, skipped: str) -> None:
    """It says why, what the conditions are, and that there were no attempts."""
    page = admin.get(f"{LOG}/{skipped}").text
    text = words(page)
    assert f"State skipped {REASON}." in text
    assert "Only if incoming internal calls, every day (Europe/Bucharest), numbers 1*" in text
    assert "No attempts." in text
    assert "every 2s" not in page
    assert admin.post(f"{LOG}/{skipped}/resend").status_code == 303
    db.session.rollback()
    assert db.session.get_one(Delivery, skipped).state is DeliveryState.PENDING


def test_all_again(admin: Visitor, skipped: str) -> None:
    """The dialog leaves skipped ones out, unless the filter is for them."""
    assert "1 skipped: its conditions were not met." in words(admin.get(f"{LOG}/resend").text)
    assert "Send 1 delivery again" in admin.get(f"{LOG}/resend?state=skipped").text
    admin.post(f"{LOG}/resend?state=skipped")
    db.session.rollback()
    assert db.session.get_one(Delivery, skipped).state is DeliveryState.PENDING


def test_call_and_last_delivery(admin: Visitor, skipped: str) -> None:
    """The timeline of the call and the table of requests show it as skipped."""
    text = words(admin.get(f"{PBX}/call?id=c-1").text)
    assert f"skipped {REASON}." in text
    page = admin.get(f"{PBX}/extensions/all").text
    assert f'title="Skipped: {REASON}."' in page
    assert "state-skipped" in page


def test_recent_reports(
    admin: Visitor, client: FlaskClient, token: str, hook: Hook, configure: Configure
) -> None:
    """An event without a request says why; one with another request counts that."""
    report = f"/ingest/head-office?token={token}&event=dial-in&ext=101&peer=0721&call="
    assert client.get(f"{report}c-1").get_json()["deliveries"] == 0
    assert f"Skipped: {REASON}." in words(admin.get(f"{PBX}/recent-reports").text)
    configure.hook("*", EventType.DIAL_IN, "https://b.example.com/")
    assert client.get(f"{report}c-2").get_json()["deliveries"] == 1
    text = words(admin.get(f"{PBX}/recent-reports").text)
    assert "1 request, 1 skipped" in text


def test_numbers_are_hidden(admin: Visitor, viewer: Visitor, pbx: Pbx, skipped: str) -> None:
    """If only admins see whole numbers, that is so for those of conditions."""
    begin_write()
    db.session.merge(pbx).hides_numbers = True
    db.session.commit()
    for path in (f"{PBX}/extensions/all", f"{LOG}/{skipped}", LOG):
        assert "40721000009" not in viewer.get(path).text
    assert "40721000009" in admin.get(f"{LOG}/{skipped}").text
