"""All of ten thousand rows, page by page, while the PBX reports more: no gaps and no repeats."""

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.db.models import CallEvent, Delivery, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.api.v1.conftest import Api
from tests.conftest import Configure
from tests.delivery.log.many_deliveries import make_deliveries

COUNT = 10_000
LIMIT = 200

pytestmark = pytest.mark.slow


@pytest.fixture
def hook(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> Hook:
    """A hook of all extensions, and ten thousand deliveries of two PBXs."""
    hook = configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/")
    make_deliveries(pbx, other_pbx, COUNT)
    return hook


@pytest.fixture
def reports(app: Flask, pbx: Pbx, hook: Hook) -> Iterator[list[int]]:
    """Has the PBX report calls all the time, in a thread; their number so far."""
    pbx_id, number, ended = pbx.id, [0], threading.Event()

    def report() -> None:
        with app.app_context():
            while not ended.is_set():
                number[0] += 1
                begin_write()
                call = Report(
                    event_type=EventType.DIAL_IN, extension="101", call_id=f"new-{number[0]}"
                )
                accept(db.session.get_one(Pbx, pbx_id), [call])
                db.session.commit()
                # At most a handful between two pages.
                ended.wait(0.02)
            db.session.remove()

    thread = threading.Thread(target=report)
    thread.start()
    yield number
    ended.set()
    thread.join()


def read_all(admin: Api, path: str, query: dict[str, str]) -> list[str]:
    """Return the IDs of all pages, one after the other."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        given = {**query, "limit": str(LIMIT), "cursor": cursor}
        page = admin.get(path, query_string=given).get_json()
        assert len(page["data"]) <= LIMIT
        found += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
    return found


@pytest.mark.parametrize(
    "query", [{}, {"pbx": "head-office"}, {"origin": "https://crm.example.com"}]
)
def test_deliveries(
    admin: Api, pbx: Pbx, hook: Hook, reports: list[int], query: dict[str, str]
) -> None:
    """Each delivery that was there before the first page is listed once, newest first."""
    db.session.rollback()
    wanted = select(Delivery.id).order_by(Delivery.id.desc())
    if "pbx" in query:
        wanted = wanted.where(Delivery.pbx_id == pbx.id)
    if "origin" in query:
        wanted = wanted.where(Delivery.origin_id == hook.origin_id)
    before = list(db.session.scalars(wanted))
    db.session.rollback()
    started = reports[0]
    found = read_all(admin, "/deliveries", query)
    assert reports[0] > started
    assert found[-len(before) :] == before
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("query", [{}, {"pbx": "head-office"}, {"extension": "117"}])
def test_events(admin: Api, pbx: Pbx, reports: list[int], query: dict[str, str]) -> None:
    """The same for call events, although thousands were reported at the same moment."""
    db.session.rollback()
    wanted = select(CallEvent.id).order_by(CallEvent.received_at.desc(), CallEvent.id.desc())
    if "pbx" in query:
        wanted = wanted.where(CallEvent.pbx_id == pbx.id)
    if "extension" in query:
        wanted = wanted.where(CallEvent.extension == "117")
    before = list(db.session.scalars(wanted))
    db.session.rollback()
    found = read_all(admin, "/events", query)
    assert found[-len(before) :] == before
    assert len(set(found)) == len(found)


def test_calls(admin: Api, pbx: Pbx, reports: list[int]) -> None:
    """The same for calls: each one is listed once, with all of its events."""
    db.session.rollback()
    wanted = select(CallEvent.call_id).where(CallEvent.pbx_id == pbx.id).distinct()
    before = set(db.session.scalars(wanted))
    db.session.rollback()
    found = read_all(admin, "/calls", {"pbx": "head-office"})
    assert len(set(found)) == len(found)
    db.session.rollback()
    firsts = select(CallEvent.call_id).where(CallEvent.id.in_(found))
    listed = list(db.session.scalars(firsts))
    assert before <= set(listed)
    assert len(set(listed)) == len(listed)
