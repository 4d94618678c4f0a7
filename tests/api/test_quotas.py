"""Quotas of a PBX's reports: what is over is refused with 429, and nothing accepted is lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from callevents.db.models import CallEvent, Delivery, DiscardedReport, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.errors import InvalidError, QuotaError
from callevents.extensions import app_state, db
from callevents.ingest.accept import accept
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.quota import BACKLOG_WAIT_SECONDS
from callevents.ingest.recent import list_recent_reports
from callevents.ingest.report import Report
from callevents.ingest.submission import LaterSubmission
from callevents.pbxs import pbxs, quotas, tokens
from tests.api.conftest import EVENT, Send, check_problem, stored
from tests.conftest import Configure
from tests.support.served import Served
from tests.support.statement_count import counting

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def limit(pbx: Pbx, **limits: int | None) -> None:
    """Set quotas of the PBX."""
    begin_write()
    quotas.set_quotas(pbxs.get_pbx(pbx.slug), limits)
    db.session.commit()


def event(number: int) -> dict[str, Any]:
    """Return an event of its own."""
    return {**EVENT, "id": str(number)}


def test_events_of_a_minute(send: Send, pbx: Pbx) -> None:
    """The fourth event of a minute is refused; it is accepted when the first is a minute old."""
    limit(pbx, max_events_per_minute=3)
    with time_machine.travel(NOW, tick=False) as clock:
        for number in range(3):
            assert send(json=event(number)).status_code == 202
            clock.shift(timedelta(seconds=10))
        answer = send(json=event(3))
        document = check_problem(answer, 429)
        assert document["detail"] == (
            "This PBX may report 3 events a minute. Try again in 30 seconds."
        )
        assert answer.headers["Retry-After"] == "30"
        clock.shift(timedelta(seconds=31))
        assert send(json=event(3)).status_code == 202
    assert [one.key for one in stored()] == [f"given:{number}" for number in range(4)]


def test_batches_are_accepted_or_refused_as_a_whole(send: Send, pbx: Pbx) -> None:
    """Of a request that does not fit, nothing is stored; a smaller one still fits."""
    limit(pbx, max_events_per_minute=5)
    assert send(json=[event(number) for number in range(4)]).status_code == 202
    check_problem(send(json=[event(4), event(5)]), 429)
    assert send(json=event(4)).status_code == 202
    limit(pbx, max_events_per_minute=10)
    document = check_problem(send(json=[event(number) for number in range(20, 31)]), 429)
    assert document["detail"].startswith(
        "This PBX may report 10 events a minute. This request alone has 11: send fewer "
        "at once. Try again in "
    )
    assert [one.key for one in stored()] == [f"given:{number}" for number in range(5)]


def test_fast_path(served: Served, slow: Served, pbx: Pbx) -> None:
    """The web server responds as the route does, also to what it has refused before."""
    limit(pbx, max_events_per_minute=2)
    assert [served.send(json=event(number)).status_code for number in range(2)] == [202, 202]
    for server in (served, slow):
        for number in (3, 4):
            answer = server.send(json=event(number))
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert answer.json()["detail"].startswith("This PBX may report 2 events a minute. Try")
    assert len(stored()) == 2


def test_refusal_costs_no_statement_while_it_lasts(served: Served, pbx: Pbx) -> None:
    """A flood is refused from memory: only the token is looked up, as for any refused report."""
    limit(pbx, max_events_per_minute=1)
    assert [served.send(json=event(number)).status_code for number in range(2)] == [202, 429]
    sent: list[str] = []
    with counting(sent):
        assert served.send(json=event(2)).status_code == 429
    assert not any("call_event" in one or "delivery" in one for one in sent)
    assert len(sent) == 2


def test_higher_quota_takes_effect_at_once(served: Served, pbx: Pbx) -> None:
    """Also for a PBX that is being refused, and in a process that has the PBX in memory."""
    limit(pbx, max_events_per_minute=1)
    assert [served.send(json=event(number)).status_code for number in range(2)] == [202, 429]
    limit(pbx, max_events_per_minute=2)
    assert [served.send(json=event(number)).status_code for number in range(2, 4)] == [202, 429]
    limit(pbx, max_events_per_minute=None)
    assert served.send(json=event(4)).status_code == 202


def test_no_statement_without_a_quota(served: Served, pbx: Pbx) -> None:
    """A PBX without these quotas costs the statements that one did before there were any."""
    limit(pbx, max_hooks=5, max_extensions=5)
    assert served.send(json=event(0)).status_code == 202
    counts = []
    for number, limits in enumerate(({}, {"max_events_per_minute": 9, "max_open_deliveries": 9})):
        limit(pbx, **limits)
        served.send(json=event(10 * number + 1))
        sent: list[str] = []
        with counting(sent):
            assert served.send(json=event(10 * number + 2)).status_code == 202
        counts.append(len(sent))
    assert counts[1] == counts[0] + 1
    assert counts[0] == 6


def test_open_deliveries(send: Send, pbx: Pbx, configure: Configure) -> None:
    """While too many deliveries wait, reports are refused; the next is accepted when one ended."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    limit(pbx, max_open_deliveries=2)
    with time_machine.travel(utc_now(), tick=False):
        assert [send(json=event(number)).status_code for number in range(2)] == [202, 202]
        answer = send(json=event(2))
    document = check_problem(answer, 429)
    assert document["detail"] == (
        "The limit of this PBX is 2 waiting deliveries, and it is reached. Try again in 10 seconds."
    )
    assert answer.headers["Retry-After"] == str(BACKLOG_WAIT_SECONDS)
    begin_write()
    db.session.delete(db.session.scalars(select(Delivery).limit(1)).one())
    db.session.commit()
    limit(pbx, max_open_deliveries=2)
    assert send(json=event(2)).status_code == 202


def test_other_pbxs_are_not_refused(client: FlaskClient, send: Send, pbx: Pbx) -> None:
    """Reports of other PBXs are accepted, also in the same transaction."""
    begin_write()
    _, token = pbxs.add_pbx("Branch")
    db.session.commit()
    limit(pbx, max_events_per_minute=1)
    assert [send(json=event(number)).status_code for number in range(2)] == [202, 429]
    answer = client.post("/ingest/branch", json=event(2), headers={"X-Ingest-Token": token})
    assert answer.status_code == 202
    assert len(stored()) == 2


def test_requests_of_one_transaction(app: Flask, pbx: Pbx) -> None:
    """Of concurrent requests, those that fit are stored, and the others are refused."""
    limit(pbx, max_events_per_minute=3)
    group_commit = GroupCommit(app)
    [token] = tokens.list_tokens(pbx)
    token_id = token.id
    db.session.refresh(pbx)
    db.session.expunge(pbx)
    results: list[object] = []

    def nothing() -> None:
        """Let the test lead."""

    for number in range(3):
        reports = [
            Report(event_type=EventType.DIAL_IN, extension="1", key=f"{number}-{index}")
            for index in range(2 if number < 2 else 1)
        ]
        group_commit._enqueue(LaterSubmission(pbx, token_id, reports, nothing, results.append))
    group_commit._store_next()
    assert [type(one) for one in results] == [list, QuotaError, list]
    assert len(stored()) == 3


def test_duplicates_are_recognised_within_the_quota(send: Send, pbx: Pbx) -> None:
    """Duplicates are no events: repeated reports do not use the quota up."""
    limit(pbx, max_events_per_minute=2)
    assert [send(json=event(0)).status_code for _ in range(5)] == [202, 200, 200, 200, 200]
    assert send(json=event(1)).status_code == 202


def test_line_in_recent_reports(send: Send, pbx: Pbx) -> None:
    """The page says why, once a minute and without the token, so that other reports stay on it."""
    limit(pbx, max_events_per_minute=2)
    with time_machine.travel(utc_now() - timedelta(minutes=2), tick=False) as clock:
        for number in range(40):
            send(json=event(number))
            clock.shift(timedelta(seconds=1))
    db.session.rollback()
    [refused] = [one for one in list_recent_reports(pbx) if one.status == 429]
    assert refused.reason.startswith("This PBX may report 2 events a minute. Try again in ")
    assert "cet_" not in refused.sent
    assert db.session.scalar(select(func.count()).select_from(DiscardedReport)) == 1


def test_listeners_are_not_limited(app: Flask, pbx: Pbx) -> None:
    """A PBX's event stream cannot be told to wait, and refusing would lose events."""
    limit(pbx, max_events_per_minute=1, max_open_deliveries=1)
    found = pbxs.get_pbx("head-office")
    group_commit = app_state(app).get(GroupCommit)
    for number in range(3):
        report = Report(event_type=EventType.DIAL_IN, extension="1", key=str(number))
        assert group_commit.submit(found, None, [report])
    assert len(stored()) == 3


def test_vendors_are_told_to_wait_too(client: FlaskClient, token: str, pbx: Pbx) -> None:
    """Reports in a vendor's format are refused in the same way."""
    begin_write()
    pbxs.set_format(pbxs.get_pbx("head-office"), "kamailio")
    db.session.commit()
    limit(pbx, max_events_per_minute=1)
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()
    call = {"event": "invite", "from": "101", "to": "102", "callid": "c@x", "dir": "0"}
    answer = client.post("/ingest/head-office", data=call, headers={"X-Ingest-Token": token})
    assert check_problem(answer, 429)["detail"].startswith("This PBX may report 1 event a minute")
    assert len(stored()) == 1


@pytest.mark.parametrize("count", [0, -1, 1_000_001])
def test_impossible_quotas(pbx: Pbx, count: int) -> None:
    """A quota is at least one, so that it is no switch, and not larger than is counted."""
    begin_write()
    with pytest.raises(InvalidError, match="Enter a whole number from 1 to 1,000,000"):
        quotas.set_quotas(pbx, {"max_hooks": count})
    assert pbx.max_hooks is None
    assert db.session.scalar(select(func.count()).select_from(CallEvent)) == 0
