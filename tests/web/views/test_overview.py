"""The overview page: figures, failures and polls."""

import re
import threading
from datetime import timedelta

import pytest

from callevents.db.models import Attempt, Delivery, Hook, Origin, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import DeliveryState
from callevents.extensions import db
from callevents.operations.heartbeat import MISSING_AFTER, InstanceId, send_heartbeat
from callevents.operations.statistics import refresh
from callevents.pbxs import pbxs
from tests.support.aged_events import AddEvents
from tests.web.conftest import Visitor

HTMX = {"HX-Request": "true"}


def count_now() -> None:
    """Count the last hours, as a worker does."""
    now = utc_now()
    refresh(db.engine, now - timedelta(hours=2), now, threading.Event())


def tiles(page: str) -> dict[str, str]:
    """Return the figures at the top by their names."""
    found = re.findall(r"<dt>([^<]+)</dt>\s*<dd>([^<]+)</dd>", page)
    return {name: value.strip() for name, value in found}


def test_figures_of_all_and_of_one_pbx(admin: Visitor, add_events: AddEvents) -> None:
    """The figures are those of the span and of the PBX that are chosen."""
    begin_write()
    pbxs.add_pbx("Branch")
    db.session.commit()
    add_events(9)
    add_events(1, state=DeliveryState.FAILED)
    add_events(2, age=timedelta(minutes=90))
    add_events(1, state=DeliveryState.PENDING)
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, InstanceId(host="calls-1.example"), utc_now())
    count_now()
    page = admin.get("/overview").text
    assert tiles(page) == {
        "Events": "11",
        "Deliveries": "11",
        "Success": "90.0 %",
        "Median latency": "40 ms",
        "Backlog": "1",
        "Workers": "1",
    }
    assert "calls-1.example" in page
    day = tiles(admin.get("/overview?span=day&pbx=head-office").text)
    assert (day["Events"], day["Deliveries"]) == ("13", "13")
    branch = tiles(admin.get("/overview?pbx=branch").text)
    assert (branch["Events"], branch["Success"], branch["Median latency"]) == ("0", "none", "none")
    assert branch["Backlog"] == "0"


def test_each_chart_has_its_table(admin: Visitor, add_events: AddEvents) -> None:
    """Each chart has a table, with a row for each step."""
    add_events(3, state=DeliveryState.FAILED)
    count_now()
    page = admin.get("/overview").text
    charts = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        assert 'role="img"' in chart
        assert chart.count('<th scope="row">') == 60
    assert re.search(r'<rect class="chart-failed"[^>]* height="\d', charts[0])
    assert admin.get("/overview?span=day").text.count('<th scope="row">') == 2 * 96


def test_what_fails_is_named_first(admin: Visitor, add_events: AddEvents) -> None:
    """A failing hook, a paused origin and missing workers are shown."""
    add_events(1, state=DeliveryState.FAILED)
    add_events(1, state=DeliveryState.PENDING, attempts=0)
    now = utc_now()
    begin_write()
    failed = db.session.query(Delivery).filter_by(state=DeliveryState.FAILED).one()
    failed.attempted_at = now
    db.session.query(Attempt).one().error = "No response within 10 seconds."
    db.session.get_one(Hook, add_events.hook.id).failing_since = now - timedelta(hours=2)
    origin = db.session.query(Origin).one()
    origin.probe_at, origin.opened_at, origin.error = now, now, "Connection <refused>."
    db.session.commit()
    page = admin.get("/overview").text
    assert f"failing-{add_events.hook.event_id}" in page
    assert "http://crm.example.com:80" in page
    assert "Connection &lt;refused&gt;." in page
    assert f'{failed.id}">No response within 10 seconds.</a>' in page
    assert "No worker is running" in page


def test_foreign_jobs_are_shown(admin: Visitor) -> None:
    """Jobs in Redis that are not ours are a warning; without any there is none."""
    instance = InstanceId()
    for count, text in ((0, ""), (1, "dropped 1 job from"), (2, "dropped 2 jobs from")):
        with write_transaction(db.engine) as connection:
            send_heartbeat(connection, instance, utc_now(), foreign_jobs=count)
        page = " ".join(admin.get("/overview").text.split())
        assert text in page
        assert ("from Redis" in page) == bool(count)


def test_poll_is_answered_only_when_something_changed(
    admin: Visitor, add_events: AddEvents
) -> None:
    """304 as long as nothing changes; then the fragment that the page includes."""
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, InstanceId(), utc_now())
    first = admin.get("/overview", headers=HTMX)
    version = {"HX-PTag": first.headers["HX-PTag"]}
    assert first.text.strip() in admin.get("/overview").text
    assert admin.get("/overview", headers=HTMX | version).status_code == 304
    add_events(1, state=DeliveryState.PENDING)
    second = admin.get("/overview", headers=HTMX | version)
    assert second.status_code == 200
    assert second.headers["HX-PTag"] != first.headers["HX-PTag"]


def test_worker_that_does_not_respond(admin: Visitor) -> None:
    """A worker without heartbeats is not counted as running, and shown as not responding."""
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, InstanceId(), utc_now() - 2 * MISSING_AFTER)
    page = admin.get("/overview").text
    assert tiles(page)["Workers"] == "0"
    assert "not responding" in page


@pytest.mark.parametrize("query", ["span=year", "span=", "pbx="])
def test_invalid_queries_show_the_default(admin: Visitor, query: str) -> None:
    """Invalid values are ignored."""
    assert admin.get(f"/overview?{query}").status_code == 200


def test_who_may_look(viewer: Visitor, stranger: Visitor) -> None:
    """Viewers see it, strangers sign in first, an unknown PBX is not found."""
    assert viewer.get("/overview").status_code == 200
    assert viewer.get("/overview?pbx=nobody").status_code == 404
    assert stranger.get("/overview").status_code in {302, 303}
