"""Erasing a number leaves no trace of it, and nothing else is touched."""

import threading
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, inspect, select, text

from callevents import audit
from callevents.audit.targets import INSTALLATION, of_pbx
from callevents.config.settings import Settings
from callevents.db.models import (
    CallAnswer,
    CallEvent,
    Delivery,
    DiscardedReport,
    Extension,
    Notification,
    OncePerCall,
    Pbx,
    new_id,
    utc_now,
)
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.delivery.log.bulk import apply_to_all, apply_to_ids
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.resend import cancel, resend
from callevents.delivery.removal import remove_extension
from callevents.enums import Channel, DeliveryState, EventType, Method
from callevents.errors import InvalidError
from callevents.extensions import Base, db
from callevents.hooks.bulk.apply import apply
from callevents.hooks.bulk.changes import ReplaceUrl
from callevents.hooks.selection import Selection
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.operations import erasure
from callevents.operations.erasure import MAX_CALL_EVENTS, Erased
from callevents.operations.kept_numbers import find_kept
from callevents.operations.number_search import Number
from callevents.pbxs.suggestions import dismiss_suggestions
from tests.conftest import Configure, finish_notes
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

DIGITS = "612345678"
OTHER = "0698765432"


def erase(number: str, pbx: Pbx | None = None, *, dry_run: bool = False) -> Erased:
    """Erase everything; return what was erased."""
    target = of_pbx(pbx) if pbx else INSTALLATION
    db.session.rollback()
    parts = erasure.erase(
        db.engine, Number.of(number), threading.Event(), target=target, dry_run=dry_run
    )
    return sum((done for done, _ in parts), Erased())


def find_traces(settings: Settings) -> list[str]:
    """Return where the database has the digits: tables, and files of SQLite."""
    db.session.rollback()
    found = []
    for table in inspect(db.engine).get_table_names():
        for row in db.session.execute(text(f'SELECT * FROM "{table}"')):
            found += [table for value in row if DIGITS in _readable(value)]
    db.session.rollback()
    files = Path(settings.database_url.removeprefix("sqlite:///"))
    if settings.uses_sqlite:
        parts = (files, files.with_name(f"{files.name}-wal"))
        found += [one.name for one in parts if one.exists() and DIGITS.encode() in one.read_bytes()]
    return found


def _readable(value: object) -> str:
    """Return a stored value as text, decompressed as bodies are."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return str(value)


def count(model: type[Base]) -> int:
    """Return the number of rows."""
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def report(client: FlaskClient, token: str, **fields: str) -> int:
    """Report an event of extension 101; return the status."""
    values = {"token": token, "event": "dialin", "ext": "101", **fields}
    return client.get("/ingest/head-office", query_string=values).status_code


@pytest.fixture
def reported(  # the whole line
    app: Flask,
    client: FlaskClient,
    pbx: Pbx,
    token: str,
    configure: Configure,
    receiver: Receiver,
    engine: Engine,
) -> None:
    """Calls with the number in several spellings, delivered, waiting, rejected, and another's."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, receiver.url, Method.POST)
    configure.hook("101", EventType.HANGUP, "http://127.0.0.1:9/?n={CallerIDNum}")
    begin_write()
    for number, peer in enumerate(("0612345678", "+31612345678", "0031 6 1234-5678", OTHER)):
        one = Report(event_type=EventType.DIAL_IN, extension="101", call_id=f"c{number}", peer=peer)
        accept(pbx, [one])
    db.session.commit()
    engine.start()
    receiver.wait_for(4)
    wait_until(lambda: not _open(), "the deliveries")
    engine.close()
    # An event without the number, in a call that has it, whose request names it.
    assert report(client, token, call="c0", event="hangup") == 202
    assert report(client, token, event="nonsense", peer="0612345678") == 422
    assert report(client, token, ext="+31612345678", peer=OTHER, call="unknown") == 202
    finish_notes(app)
    begin_write()
    facts = {"url": "https://crm.example.com/?n=0612345678"}
    db.session.add(Notification(channel=Channel.HTTP, kind="suspended", facts=facts, due_at=_now()))
    call = {"pbx_id": pbx.id, "call_id": "c0"}
    db.session.add(CallAnswer(**call, receiver_id=1, name="PHONE", value="0612345678"))
    db.session.add(OncePerCall(**call, hook_id=1, delivery_id=new_id()))
    db.session.commit()


def _now() -> object:
    return db.session.scalar(select(CallEvent.received_at).limit(1))


def _open() -> bool:
    db.session.rollback()
    state = Delivery.state == DeliveryState.PENDING
    return db.session.scalar(select(Delivery.id).where(state).limit(1)) is not None


@pytest.mark.usefixtures("reported")
def test_no_trace(settings: Settings) -> None:
    """Whatever spelling is given, all are erased, with the whole calls; others stay."""
    spellings = ("0612345678", "+31 6 12345678", "0031612345678")
    plans = [erase(spelling, dry_run=True) for spelling in spellings]
    assert plans[0] == plans[1] == plans[2]
    assert find_traces(settings)
    erased = erase(spellings[1])
    assert erased == plans[0]
    assert (erased.events, erased.deliveries, erased.waiting) == (5, 4, 1)
    assert (erased.reports, erased.notifications) == (1, 1)
    assert find_traces(settings) == []
    assert [event.peer for event in db.session.scalars(select(CallEvent))] == [OTHER]
    assert (count(Delivery), count(DiscardedReport), count(OncePerCall)) == (1, 0, 0)
    assert erase(spellings[0]) == Erased()


@pytest.mark.usefixtures("reported")
def test_only_one_pbx(pbx: Pbx, other_pbx: Pbx) -> None:
    """Another PBX keeps its calls, also those with the same ID."""
    begin_write()
    accept(
        other_pbx,
        [Report(event_type=EventType.DIAL_IN, extension="7", call_id="c0", peer="0612345678")],
    )
    db.session.commit()
    assert erase("0612345678", pbx).events == 5
    assert count(CallEvent) == 2
    assert erase("0612345678", other_pbx).events == 1


def test_short_numbers_must_be_equal(pbx: Pbx) -> None:
    """The number of an extension is part of many others."""
    begin_write()
    for number, peer in enumerate(("101", "5101", "0612341019")):
        accept(
            pbx,
            [Report(event_type=EventType.DIAL_IN, extension="7", call_id=str(number), peer=peer)],
        )
    db.session.commit()
    assert erase("101").events == 1
    assert erase("Anonymous <none>").events == 0


@pytest.mark.parametrize(
    ("peer", "is_same"),
    [
        ("03012345678", True),
        ("+493012345678", True),
        ("00493012345678", True),
        ("030 / 1234 56-78", True),
        ("90030123456780", False),
        ("030123456789", False),
        ("0301234567", False),
        ("13012345678", True),
        ("12345673012345678", False),
        ("sip:03012345678@pbx.example.com", True),
        ("Call 03012345678 101", True),
    ],
)
def test_direct_dial_numbers(peer: str, is_same: bool, pbx: Pbx) -> None:
    """A longer number that begins with the number is another one."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="7", call_id="c", peer=peer)])
    db.session.commit()
    assert erase("03012345678").events == is_same


def test_call_id_of_many_calls(pbx: Pbx) -> None:
    """A PBX that uses one ID for all its calls loses only the events with the number."""
    begin_write()
    reports = [
        Report(
            event_type=EventType.DIAL_IN, extension=str(n), call_id="same", peer=str(5550000 + n)
        )
        for n in range(MAX_CALL_EVENTS + 1)
    ]
    accept(pbx, reports)
    db.session.commit()
    assert erase("5550007").events == 1
    assert count(CallEvent) == MAX_CALL_EVENTS


def kept(number: str, pbx: Pbx | None = None) -> list[str]:
    """Return what is named as not erased."""
    db.session.rollback()
    with db.engine.connect() as connection:
        return find_kept(connection, Number.of(number), pbx.id if pbx else None)


def test_what_stays_is_named(configure: Configure, pbx: Pbx, other_pbx: Pbx) -> None:
    """Extensions, requests, removals and the history are not changed, but named, by PBX."""
    configure.extension("0612345678")
    hook = configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/?n=0612345678")
    assert kept("+31612345678", pbx) == [
        "extension 0612345678 of Head office",
        f"request {hook.event_id} of Head office",
        "2 entries of the history",
    ]
    assert kept("+31612345678", other_pbx) == []
    begin_write()
    remove_extension(db.session.scalars(select(Extension)).one())
    db.session.commit()
    assert kept("+31612345678") == [
        f"request {hook.event_id} of Head office",
        "1 removal that can still be undone for a minute",
        "3 entries of the history",
    ]


def test_changes_that_can_be_undone_are_named(
    configure: Configure, pbx: Pbx, other_pbx: Pbx
) -> None:
    """The old URLs of a change of many requests are there for half an hour."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/?n=0612345678")
    begin_write()
    apply(Selection(), ReplaceUrl("0612345678", "1"))
    db.session.commit()
    change = "1 change of requests that can still be undone for half an hour"
    assert change in kept("+31612345678", pbx)
    assert change not in kept("+31612345678", other_pbx)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("note", "for 06-12345678"),
        ("body_template", '{"to": "+31 6 12345678"}'),
        ("value_maps", '{"vip": {"0612345678": "gold"}}'),
        ("conditions", '{"numbers": ["0612345678"]}'),
    ],
)
def test_texts_of_requests_that_stay_are_named(
    column: str, text: str, configure: Configure, pbx: Pbx
) -> None:
    """Whatever people write into a request may have the number."""
    hook = configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/")
    begin_write()
    setattr(hook, column, text)
    db.session.commit()
    assert kept("0612345678", pbx) == [f"request {hook.event_id} of Head office"]


def test_times_are_no_numbers(app: Flask, pbx: Pbx) -> None:
    """The history of something at a time is not named for a number with the same digits."""
    begin_write()
    at = "2026-11-23T02:50:57.245Z"
    audit.record(audit.Action.DATA_PURGED, of_pbx(pbx), after={"received_before": at})
    db.session.commit()
    assert kept("0261123", pbx) == []
    assert kept("20261123", pbx) == []


def notify(pbx: Pbx, **facts: str) -> None:
    """Add a notification about a request of the PBX."""
    begin_write()
    values = {
        "pbx": pbx.slug,
        "suspended_at": "2026-11-23T02:50:57.245Z",
        "event_id": "20261123-20261123",
        **facts,
    }
    now = utc_now()
    db.session.add(Notification(channel=Channel.HTTP, kind="suspended", facts=values, due_at=now))
    db.session.commit()


def test_notifications_of_one_pbx(pbx: Pbx, other_pbx: Pbx) -> None:
    """Another PBX keeps its notifications; without a PBX, all with the number go."""
    for one in (pbx, other_pbx):
        notify(one, reason="Redirect to https://crm.example.com/06 1234-5678", url="", extension="")
    assert erase("0612345678", pbx).notifications == 1
    assert db.session.scalars(select(Notification)).one().facts["pbx"] == other_pbx.slug
    assert erase("0612345678").notifications == 1


def test_times_of_notifications(pbx: Pbx) -> None:
    """They are no phone numbers, whatever their digits."""
    notify(pbx, reason="410", url="https://crm.example.com/", extension="101")
    assert erase("20261123").notifications == 0
    assert erase("2026112") == Erased()


def test_history_of_actions_on_calls(pbx: Pbx, configure: Configure, settings: Settings) -> None:
    """It never has the numbers of calls, so nothing is left after erasing."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    begin_write()
    called = {"event_type": EventType.DIAL_IN, "call_id": "call-0612345678"}
    accept(pbx, [Report(**called, extension="+31612345678", peer=OTHER)])
    accept(pbx, [Report(**called, extension="101", peer="0612345678")])
    [one, *_] = db.session.scalars(select(Delivery.id).order_by(Delivery.id))
    assert apply_to_ids(cancel, [one]).changed == 1
    db.session.commit()
    for wanted in (
        Filter(pbx, call_id="call-0612345678"),
        Filter(pbx, extension="+31612345678"),
    ):
        assert list(apply_to_all(resend, wanted))[-1].changed >= 1
        db.session.commit()
    dismiss_suggestions(pbx, ["+31612345678"])
    db.session.commit()
    assert kept("0612345678") == []
    assert erase("0612345678").events == 2
    assert find_traces(settings) == []


@pytest.mark.parametrize("number", ["", " ", "1" * 65, "a\0b"])
def test_invalid_numbers(number: str) -> None:
    """They are refused with a sentence."""
    with pytest.raises(InvalidError, match="Enter a number"):
        Number.of(number)
