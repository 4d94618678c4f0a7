"""Pages about requests that are sent once per call."""

from datetime import timedelta

from sqlalchemy import update

from callevents.db.models import Delivery, Pbx, utc_now
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.ingest.calls import deliveries, once_per_call, store
from tests.web.conftest import Visitor

DIAL_IN, HANGUP = EventType.DIAL_IN, EventType.HANGUP


def test_pages_of_a_call(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """They say why the end waits, and why the second phone of a group has no request."""
    once_per_call(configure, DIAL_IN)
    once_per_call(configure, HANGUP)
    store(
        pbx,
        Report(event_type=DIAL_IN, extension="101", call_id="c1", queue="support"),
        Report(event_type=DIAL_IN, extension="102", call_id="c1"),
        Report(event_type=HANGUP, extension="101", call_id="c1", cause=26),
        Report(event_type=HANGUP, extension="102", call_id="c1", cause=16),
    )
    dial_in, end = deliveries()
    dial_in.state = DeliveryState.DELIVERED
    path = f"/pbxs/head-office/deliveries/{end.id}"
    for hours, waits in ((1, True), (-1, False)):
        db.session.execute(update(Delivery).values(due_at=utc_now() + timedelta(hours=hours)))
        db.session.commit()
        assert ("Waiting until the call is over." in admin.get(path).text) is waits
    call = admin.get("/pbxs/head-office/call?id=c1").text
    assert "Sent once for the call, for 101 (" in call
    assert f"/pbxs/head-office/deliveries/{dial_in.id}" in call
    assert "queue support" in call


def test_recent_reports(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """They say why a phone of a group has no request of its own."""
    once_per_call(configure, DIAL_IN)
    once_per_call(configure, HANGUP)
    for event in (DIAL_IN, HANGUP):
        for extension in ("101", "102"):
            store(pbx, Report(event_type=event, extension=extension, call_id="c1"))
    page = admin.get("/pbxs/head-office/recent-reports").text
    assert page.count("1 request") == 2
    assert page.count("Sent once for the call, for 101 (") == 2
    for delivery in deliveries():
        assert f'href="/pbxs/head-office/deliveries/{delivery.id}">show delivery' in page
