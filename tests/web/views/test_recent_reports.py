"""The page 'Recent reports': reports of the last hour and their results."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from callevents.db.models import DiscardedReport, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import app_state, db
from callevents.ingest.discarded import (
    BURST,
    MAX_STORED,
    PER_SECOND,
    DiscardedReports,
    add_discarded_report,
    explain_duplicate,
)
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.recent import RecentReport, list_recent_reports
from callevents.ingest.report import Report
from callevents.ingest.token_notes import TokenNotes
from callevents.pbxs import pbxs
from tests.conftest import Configure
from tests.support.clock import Clock
from tests.support.database_faults import missing_table
from tests.support.waiting import wait_until
from tests.web.conftest import Visitor

URL = "/ingest/head-office"
PAGE = "/pbxs/head-office/recent-reports"


def test_result_of_each(
    admin: Visitor, client: FlaskClient, pbx: Pbx, token: str, configure: Configure
) -> None:
    """Each event shows its number of requests or why there are none; rejected reports say why."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "http://127.0.0.1:9/")
    for fields in ("event=dial-in&ext=101", "event=hangup&ext=101", "event=dial-in&ext=999"):
        client.get(f"{URL}?token={token}&{fields}")
    client.post(f"{URL}?token={token}", data={"event": "fax", "ext": "<b>", "password": "x"})
    page = admin.get(PAGE).text
    for text in (
        "1 request",
        "101 has no request for Hangup, and none applies to all extensions.",
        "999 is not an extension, and no request for Dial-In applies to all extensions.",
        "Rejected with 422",
        "POST /ingest/head-office?token=••••",
        "ext=%3Cb%3E",
    ):
        assert text in page
    assert token not in page


def test_ignored(admin: Visitor, client: FlaskClient, pbx: Pbx, token: str) -> None:
    """A report of none of the five call events is listed with the reason."""
    begin_write()
    pbxs.set_format(pbx, "kamailio")
    db.session.commit()
    headers = {"X-Ingest-Token": token}
    body = {"event": "registered", "from": "1", "to": "2", "callid": token}
    assert client.post(URL, json=body, headers=headers).status_code == 200
    page = admin.get(PAGE).text
    assert "Ignored: Kamailio&#39;s event &#39;registered&#39; is none of the five" in page
    assert token not in page


def test_duplicates(admin: Visitor, client: FlaskClient, pbx: Pbx, token: str) -> None:
    """A duplicate is listed with its content and the event it repeats, however it is reported.

    As a single report, in a batch, in a vendor's format, and by a listener.
    """
    headers = {"X-Ingest-Token": token}
    for number, answers in enumerate(_report_twice(client, pbx, headers)):
        first, again = answers
        assert first == again, number
        wait_until(
            lambda count=number + 1: len(list_discarded(pbx)) == count, "the repeated report"
        )
        found = list_discarded(pbx)[0]
        assert found.reason.startswith(f"Duplicate of event {first}")
        assert f"event: dial-in\nextension: {number}" in found.sent
        assert "is_late" not in found.sent
    page = admin.get(PAGE).text
    assert page.count("Ignored: Duplicate of event ") == 4
    assert page.count("event: dial-in") == 4
    links = re.findall(r'href="(/pbxs/head-office/deliveries/find\?q=[\w-]+)"', page)
    shown = [admin.client.get(link).location for link in links]
    # The newest is first. That of Kamailio has a call.
    for number, location in zip("3210", shown, strict=True):
        assert ("call?id=c#event-" if number == "2" else f"?ext={number}") in location


def _report_twice(client: FlaskClient, pbx: Pbx, headers: dict[str, str]) -> Iterator[list[str]]:
    """Report an event twice in each of these ways; yield the IDs in the responses."""
    said = {"event": "dial-in", "ext": "0", "id": "a"}
    yield [client.get(URL, query_string=said, headers=headers).json["id"] for _ in "12"]
    batch = [{**said, "ext": "1", "id": "b"}, {"event": "fax"}]
    answers = [client.post(URL, json=batch, headers=headers).json for _ in "12"]
    yield [answer["results"][0]["id"] for answer in answers]
    begin_write()
    pbxs.set_format(pbx, "kamailio")
    db.session.commit()
    call = {"event": "ringing", "from": "9", "to": "2", "callid": "c", "at": "1"}
    answers = [client.post(URL, json=call, headers=headers).json for _ in "12"]
    yield [answer["results"][0]["id"] for answer in answers]
    report = Report(event_type=EventType.DIAL_IN, extension="3", key="leg:dial-in:l")
    group_commit = app_state(client.application).get(GroupCommit)
    yield [group_commit.submit(pbx, None, [report])[0].id for _ in "12"]


def list_discarded(pbx: Pbx) -> list[RecentReport]:
    """Return the stored discarded reports."""
    db.session.rollback()
    return [one for one in list_recent_reports(pbx) if one.event is None]


def test_duplicates_do_not_displace_rejected_reports(pbx: Pbx) -> None:
    """A PBX that reports everything twice does not push rejected reports off the list."""
    begin_write()
    add_discarded_report(pbx.id, 422, "refused", "x")
    for _ in range(MAX_STORED + 1):
        add_discarded_report(pbx.id, 200, explain_duplicate(["1", "2"]), "y")
    db.session.commit()
    reports = list_recent_reports(pbx)
    assert [one.reason for one in reports[-2:]] == [
        "Duplicate of event 1 and others.",
        "refused",
    ]
    assert len(reports) == MAX_STORED + 1


def test_reports_without_a_token_are_not_stored(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """Requests without a valid token are not stored."""
    client.get(f"{URL}?token=wrong&event=x")
    client.get(f"{URL}?event=x")
    assert list_recent_reports(pbx) == []
    client.get(f"{URL}?token={token}&event=x")
    assert [one.status for one in list_discarded(pbx)] == [422]


def test_bursts_are_stored(app: Flask, pbx: Pbx) -> None:
    """Of a burst the first 20 rejected reports are stored and as many duplicates; later, more."""
    clock = Clock()
    reports = DiscardedReports(app, clock)

    def send(count: int) -> None:
        for number in range(count):
            reports.store(pbx.id, 422, "refused", str)
            reports.store_async(pbx.id, 200, explain_duplicate([str(number)]), str)

    send(BURST + 5)
    wait_until(lambda: len(list_discarded(pbx)) == 2 * BURST, "the burst")
    assert sum(one.status == 422 for one in list_discarded(pbx)) == BURST
    clock.now = 1 / PER_SECOND
    send(5)
    wait_until(lambda: len(list_discarded(pbx)) == 2 * BURST + 2, "one more of each kind")


def test_list_is_bounded(pbx: Pbx) -> None:
    """A hundred reports of a PBX are stored; the next one removes those older than an hour."""
    begin_write()
    for number in range(MAX_STORED + 5):
        add_discarded_report(pbx.id, 422, "Wrong.", f"number {number}\x00\ud800" + "x" * 9000)
    db.session.commit()
    reports = list_recent_reports(pbx)
    assert len(reports) == MAX_STORED
    assert reports[0].sent.startswith(f"number {MAX_STORED + 4}x")
    assert len(reports[0].sent) == 2000
    later = datetime.now(UTC) + timedelta(hours=2)
    with time_machine.travel(later, tick=False):
        assert list_recent_reports(pbx) == []
        begin_write()
        add_discarded_report(pbx.id, 422, "Wrong.", "later")
        db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(DiscardedReport)) == 1


def test_response_does_not_depend_on_it(
    app: Flask, client: FlaskClient, pbx: Pbx, token: str
) -> None:
    """If a report cannot be stored, the response is the same."""
    with missing_table(db.engine, "discarded_report"):
        assert client.get(f"{URL}?token={token}&event=x").status_code == 422


def test_poll(admin: Visitor, pbx: Pbx) -> None:
    """A poll gets 304 if nothing has changed."""
    first = admin.client.get(PAGE, headers={"HX-Request": "true"})
    assert "No reports in the last hour" in first.text
    assert "<html" not in first.text
    again = {"HX-Request": "true", "HX-PTag": first.headers["HX-PTag"]}
    assert admin.client.get(PAGE, headers=again).status_code == 304


def test_reports_without_a_valid_token(
    app: Flask, admin: Visitor, client: FlaskClient, pbx: Pbx
) -> None:
    """They are counted by address, and a poll of the page gets the new count."""
    for _ in range(3):
        client.post(URL, json={}, headers={"X-Ingest-Token": "cet_wrong"})
    notes = app_state(app).get(TokenNotes)
    notes.flush()
    page = admin.get(PAGE)
    text = " ".join(page.text.split())
    assert "3 reports with an unknown token or none from 127.0.0.1, the last <time" in text
    assert "cet_" not in page.text
    polling = {"HX-Request": "true", "HX-PTag": page.headers["HX-PTag"]}
    assert admin.get(PAGE, headers=polling).status_code == 304
    client.post(URL, json={})
    notes.flush()
    answer = admin.get(PAGE, headers=polling)
    assert answer.status_code == 200
    assert "4 reports" in answer.text


def test_last_use_of_a_token(
    app: Flask, admin: Visitor, client: FlaskClient, pbx: Pbx, token: str
) -> None:
    """The PBX's page shows when and from where each token was last used."""
    assert "never" in admin.get("/pbxs/head-office").text
    client.post(URL, json={}, headers={"X-Ingest-Token": token})
    app_state(app).get(TokenNotes).flush()
    page = admin.get("/pbxs/head-office").text
    assert "from 127.0.0.1" in page
    assert "never" not in page
