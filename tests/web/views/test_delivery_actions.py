"""Sending again and cancelling from the pages: one, all that match a filter, and permissions."""

import html
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.web.views import delivery_actions
from tests.conftest import Configure
from tests.web.conftest import Visitor
from tests.web.views.test_deliveries import LOG, deliveries, report

__all__ = ["deliveries"]

HTMX = {"HX-Request": "true"}


def states() -> dict[str, int]:
    """Return how many deliveries there are of each state."""
    db.session.rollback()
    counted = select(Delivery.state, func.count()).group_by(Delivery.state)
    return {state.value: count for state, count in db.session.execute(counted)}


def test_send_one_again(admin: Visitor, deliveries: dict[str, str]) -> None:
    """A failed delivery is pending again; the page shows a message and keeps its filter."""
    path = f"{LOG}/{deliveries['failed']}"
    assert "Send again" in admin.get(path).text
    answer = admin.post(f"{path}/resend")
    assert (answer.status_code, answer.location) == (303, path)
    page = admin.get(path).text
    assert "The delivery is sent again." in page
    assert "Try now" in page
    assert states()["pending"] == 4
    answer = admin.post(f"{path}/resend?from_list=head-office&ext=105")
    assert answer.location == f"{LOG}?ext=105"
    answer = admin.post(f"{path}/resend?from_list=&ext=105")
    assert answer.location == "/deliveries?ext=105"


def test_try_one_now(admin: Visitor, deliveries: dict[str, str]) -> None:
    """A pending delivery becomes due; it may still wait for an earlier one."""
    path = f"{LOG}/{deliveries['waiting']}"
    admin.post(f"{path}/resend")
    page = admin.get(path).text
    assert "The delivery is due now." in page
    assert "sent again" not in page


def test_cancel_one(admin: Visitor, deliveries: dict[str, str]) -> None:
    """A pending delivery is cancelled; the second time it is a conflict."""
    path = f"{LOG}/{deliveries['waiting']}"
    admin.get(path)
    assert admin.post(f"{path}/cancel").status_code == 303
    assert "The delivery is cancelled." in admin.get(path).text
    answer = admin.post(f"{path}/cancel")
    assert answer.status_code == 409
    assert "The delivery is not cancelled: it is no longer pending." in answer.text


def test_refusal_has_a_message(admin: Visitor, deliveries: dict[str, str]) -> None:
    """Deliveries of a disabled request cannot be sent again."""
    begin_write()
    db.session.execute(update(Hook).values(active=False))
    db.session.commit()
    path = f"{LOG}/{deliveries['failed']}"
    admin.get(path)
    answer = admin.post(f"{path}/resend")
    assert answer.status_code == 409
    assert "The delivery is not sent again: the request is disabled." in answer.text
    assert states()["failed"] == 1
    page = admin.get(f"{LOG}/resend?state=failed").text
    assert "1 skipped: the request is disabled." in page
    assert "No more deliveries match" in page


def test_many_are_confirmed_and_counted(admin: Visitor, deliveries: dict[str, str]) -> None:
    """The dialog counts by state, and only the counted deliveries are sent again."""
    page = admin.get(f"{LOG}/resend?state=failed").text
    assert "Send 1 delivery again" in page
    action = re.search(r'action="([^"]+deliveries/resend[^"]+)"', page)
    assert action
    late = report_failed(deliveries)
    answer = admin.post(action[1].replace("&amp;", "&"))
    assert (answer.status_code, answer.location) == (303, f"{LOG}?state=failed")
    assert "1 delivery is sent again." in admin.get(answer.location).text
    assert states()["failed"] == 1
    db.session.rollback()
    assert db.session.get_one(Delivery, late).state is DeliveryState.FAILED


def report_failed(deliveries: dict[str, str]) -> str:
    """Report one more event, whose delivery fails."""
    pbx = db.session.get_one(Delivery, deliveries["failed"]).pbx
    return report(pbx, "107", "c-7", state=DeliveryState.FAILED)


def test_dialog_has_the_labels_of_the_form(admin: Visitor, deliveries: dict[str, str]) -> None:
    """The dialog shows the filter with the labels of the form, not the values of the URL."""
    page = admin.get("/deliveries/resend?pbx=head-office&state=pending&event=dial-in&last=24h").text
    facts = re.findall(r"<dt>([^<]*)</dt>\s*<dd>\s*([^<]*?)\s*</dd>", page)
    assert facts[:3] == [
        ("PBX", "Head office"),
        ("Event", "Dial-In"),
        ("State", "Pending"),
    ]
    [(name, since)] = facts[3:]
    assert name == "From (UTC)"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", since)


def test_cancel_many(admin: Visitor, deliveries: dict[str, str]) -> None:
    """Pending deliveries are cancelled, finished ones are unchanged."""
    page = admin.get(f"{LOG}/cancel").text
    assert "Cancel 3 deliveries" in page
    assert admin.post(f"{LOG}/cancel").location == LOG
    assert states() == {"cancelled": 4, "delivered": 1, "failed": 1}
    assert "No pending deliveries match" in admin.get(f"{LOG}/cancel").text
    assert admin.get(f"{LOG}/cancel?state=failed").status_code == 422


def test_too_many_for_one_request(
    admin: Visitor, pbx: Pbx, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some thousand, the response shows the progress, and a click continues from there."""
    # Patched: a view takes no arguments, and thousands of deliveries would make this slow.
    monkeypatch.setattr(delivery_actions, "MAX_ROWS", 500)
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=str(n)) for n in range(700)])
    db.session.execute(update(Delivery).values(state=DeliveryState.FAILED))
    db.session.commit()
    admin.get(f"{LOG}/resend?state=failed")
    answer = admin.post(f"{LOG}/resend?state=failed")
    assert answer.status_code == 200
    assert "500 deliveries are sent again." in answer.text
    assert "200 deliveries left." in answer.text
    action = re.search(r'action="([^"]+deliveries/resend[^"]+)"', answer.text)
    assert action
    assert admin.post(action[1].replace("&amp;", "&")).status_code == 303
    assert states() == {"pending": 700}


def test_recover(admin: Visitor, deliveries: dict[str, str]) -> None:
    """The dialog finds the failed deliveries of one request in a period."""
    begin_write()
    failed = db.session.get_one(Delivery, deliveries["failed"])
    event_id = failed.hook_event_id
    db.session.rollback()
    page = admin.get(f"/pbxs/head-office/requests/{event_id}/recover").text
    assert f'action="{LOG}/resend"' in page
    assert f'value="{event_id}"' in page
    counted = admin.get(f"{LOG}/resend?hook={event_id}&state=failed&last=24h").text
    assert "Send 1 delivery again" in counted
    since = utc_now() + timedelta(minutes=1)
    nothing = admin.get(f"{LOG}/resend?hook={event_id}&state=failed&from={since:%Y-%m-%dT%H:%M:%S}")
    assert "No deliveries match" in nothing.text


def test_htmx_keeps_the_page(admin: Visitor, deliveries: dict[str, str]) -> None:
    """For htmx the responses are empty and trigger an event in the page."""
    admin.get(LOG)
    headers = {**HTMX, "X-CSRFToken": admin.token}
    one = admin.client.post(f"{LOG}/{deliveries['failed']}/resend", headers=headers)
    assert one.status_code == 204
    assert {"toast", "deliveries-changed"} <= json.loads(one.headers["HX-Trigger"]).keys()
    many = admin.client.post(f"{LOG}/resend?ext=105", headers=headers)
    assert many.status_code == 204
    assert "dialog-close" in json.loads(many.headers["HX-Trigger"])


def test_viewers_change_nothing(viewer: Visitor, deliveries: dict[str, str]) -> None:
    """A viewer sees all pages without the buttons, and the server rejects the requests."""
    path = f"{LOG}/{deliveries['failed']}"
    for page in (f"{LOG}?state=failed", path, "/deliveries", "/pbxs/head-office/call?id=c-1"):
        answer = viewer.get(page)
        assert answer.status_code == 200
        assert "resend" not in answer.text
        assert "recover" not in answer.text
    event_id = db.session.get_one(Delivery, deliveries["failed"]).hook_event_id
    db.session.rollback()
    for refused in (f"{path}/resend", f"{path}/cancel", f"{LOG}/resend", "/deliveries/cancel"):
        assert viewer.post(refused).status_code == 403
    for refused in (f"{LOG}/resend", "/deliveries/cancel"):
        assert viewer.get(refused).status_code == 403
    assert viewer.get(f"/pbxs/head-office/requests/{event_id}/recover").status_code == 403
    assert states() == {"pending": 3, "delivered": 1, "failed": 1, "cancelled": 1}


def test_page_says_why_it_waits(admin: Visitor, deliveries: dict[str, str], pbx: Pbx) -> None:
    """The page shows the earlier delivery, the paused origin, the next attempt and the expiry."""
    later = report(pbx, "109", "c-1")
    page = admin.get(f"{LOG}/{later}").text
    assert f'href="{LOG}/{deliveries["waiting"]}"' in page
    assert "an earlier delivery of the same call" in page
    page = admin.get(f"{LOG}/{deliveries['retrying']}").text
    assert "Next attempt" in page
    assert "Retries end" in page
    begin_write()
    origin = db.session.get_one(Delivery, later).origin
    origin.probe_at = utc_now() + timedelta(minutes=5)
    origin.error = "No connection within 3 seconds."
    db.session.commit()
    page = admin.get(f"{LOG}/{deliveries['retrying']}").text
    assert "https://crm.example.com:443</span> are paused" in page
    assert "No connection within 3 seconds." in page
    call = admin.get("/pbxs/head-office/call?id=c-2").text
    assert "https://crm.example.com:443</span> are paused" in call
    assert "Retries end" in call
    assert "an earlier delivery of the same call" in admin.get("/pbxs/head-office/call?id=c-1").text
    assert "The request is being sent." in admin.get(f"{LOG}/{deliveries['sending']}").text


def test_list_shows_paused_receivers(admin: Visitor, deliveries: dict[str, str], pbx: Pbx) -> None:
    """Rows of a paused origin show the next probe; a poll updates them."""
    report(pbx, "109", "c-1", deferred=True)
    begin_write()
    origin = db.session.get_one(Delivery, deliveries["waiting"]).origin
    probe_at = utc_now() + timedelta(minutes=5)
    origin.probe_at = probe_at
    db.session.commit()
    answer = admin.get(LOG, headers=HTMX)
    version = {"HX-PTag": answer.headers["HX-PTag"]}
    assert answer.text.count("receiver paused, next probe") == 3
    assert answer.text.count(f"{probe_at:%Y-%m-%dT%H:%M:%S}") == 3
    assert admin.get(LOG, headers=HTMX | version).status_code == 304
    begin_write()
    db.session.get_one(Delivery, deliveries["waiting"]).origin.probe_at = None
    db.session.commit()
    text = admin.get(LOG, headers=HTMX | version).text
    assert "receiver paused" not in text
    assert text.count("waiting for an earlier one") == 1


def test_call(admin: Visitor, deliveries: dict[str, str], pbx: Pbx) -> None:
    """A call's events stand in order, with the requests for each; IDs may have any characters."""
    odd = 'a/../b?c#d" <e>&f'
    first, second = report(pbx, "101", odd), report(pbx, "102", odd, EventType.HANGUP)
    begin_write()
    accept(pbx, [Report(event_type=EventType.ANSWER_IN, extension="101", call_id=odd)])
    db.session.commit()
    page = admin.get(f"{LOG}/{first}").text
    link = re.search(r'href="(/pbxs/head-office/call\?[^"]+)"', page)
    assert link
    page = admin.get(html.unescape(link[1])).text
    places = [page.index(text) for text in (first, second, "101 is not an extension")]
    assert places == sorted(places)
    assert deliveries["waiting"] not in page
    for nothing in ("", "?id=", "?id=nobody"):
        assert admin.get(f"/pbxs/head-office/call{nothing}").status_code == 404
