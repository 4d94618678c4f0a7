"""The dialog that erases a number: counts first, erases on confirmation."""

import pytest

from callevents.db.models import CallEvent, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.operations import erasure
from callevents.web.views import erasure as view
from tests.conftest import Configure
from tests.web.conftest import Visitor

NUMBER = "0612345678"
PATH = "/pbxs/head-office/erase"


def add_calls(pbx: Pbx, count: int) -> None:
    """Add calls with the number."""
    begin_write()
    accept(
        pbx,
        [
            Report(event_type=EventType.DIAL_IN, extension="7", call_id=f"c{n}", peer=NUMBER)
            for n in range(count)
        ],
    )
    db.session.commit()


def events() -> int:
    db.session.rollback()
    return db.session.query(CallEvent).count()


def test_count_and_erase(admin: Visitor, pbx: Pbx) -> None:
    """The first form only counts; the second one erases, and names what it erased."""
    add_calls(pbx, 3)
    assert "You see the counts first" in admin.get(PATH).text
    counted = admin.post(PATH, number=NUMBER)
    assert "3 call events" in counted.text
    assert events() == 3
    erased = admin.post(PATH, number=NUMBER, confirmed="yes")
    assert erased.status_code == 303
    assert "Erased 3 call events" in admin.get(erased.location).text
    assert events() == 0


def test_settings_with_the_number(admin: Visitor, configure: Configure) -> None:
    """They are named, before and after."""
    configure.extension(NUMBER)
    for fields in ({}, {"confirmed": "yes"}):
        answer = admin.post(PATH, number=NUMBER, **fields)
        assert f"extension {NUMBER} of Head office" in answer.text


def test_an_invalid_number(admin: Visitor, pbx: Pbx) -> None:
    """It is refused beside the field."""
    answer = admin.post(PATH, number="", confirmed="yes")
    assert answer.status_code == 422
    assert "Enter a number" in answer.text


def test_what_takes_long(admin: Visitor, pbx: Pbx, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds, the dialog shows the progress and offers to continue."""
    add_calls(pbx, 5)
    monkeypatch.setattr(view, "MAX_SECONDS", 0)
    monkeypatch.setattr(erasure, "BATCH_EVENTS", 2)
    fields = {"number": NUMBER, "confirmed": "yes"}
    for left in (3, 1):
        answer = admin.post(PATH, **fields)
        assert "There are more" in answer.text
        fields["after"] = answer.text.split('name="after" value="')[1].split('"')[0]
        assert events() == left
    assert admin.post(PATH, **fields).status_code == 303
    assert events() == 0
