"""Suggested extensions: numbers that had calls, and numbers that a PBX lists."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from callevents.db.models import Pbx, SeenExtension, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import ConnectorKind, EventType
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.operations.retention import purge_other_tables
from callevents.pbxs import extensions as pbxs_extensions
from callevents.pbxs import suggestions
from callevents.pbxs.connectors import ConnectorConfig, get_connector, request_list, set_connector
from tests.support.connected_pbx import know


def report_at(pbx: Pbx, *extensions: str) -> None:
    """Accept an event of each extension."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=one) for one in extensions])
    db.session.commit()


def dismiss(pbx: Pbx, *numbers: str) -> None:
    """Dismiss these numbers."""
    begin_write()
    suggestions.dismiss_suggestions(pbx, numbers)
    db.session.commit()


def add(pbx: Pbx, *numbers: str) -> list[str]:
    """Add these suggestions, or all without numbers; return the numbers added."""
    begin_write()
    added = suggestions.add_suggestions(pbx, numbers or None)
    db.session.commit()
    return added


def listed(pbx: Pbx) -> list[str]:
    """Return the suggested numbers."""
    db.session.rollback()
    return [one.number for one in suggestions.list_suggestions(pbx)]


def test_reported_numbers(pbx: Pbx, other_pbx: Pbx) -> None:
    """They are suggested, latest first, for their PBX, until they are added or dismissed."""
    begin_write()
    now = utc_now()
    db.session.add_all(
        SeenExtension(pbx_id=pbx.id, number=str(n), last_seen_at=now + timedelta(seconds=n))
        for n in range(60)
    )
    db.session.add(SeenExtension(pbx_id=other_pbx.id, number="59", last_seen_at=now))
    db.session.commit()
    assert listed(pbx) == [str(n) for n in range(59, 9, -1)]
    assert suggestions.count_suggestions(pbx) == 60
    dismiss(pbx, "59", "nobody", "5\x009")
    assert add(pbx, "58", "nobody", "5\x008") == ["58"]
    assert listed(pbx)[:2] == ["57", "56"]
    assert [one.number for one in pbxs_extensions.list_extensions(pbx)] == ["58"]
    assert listed(other_pbx) == ["59"]


def test_a_dismissed_number_is_suggested_again_when_it_is_reported(pbx: Pbx) -> None:
    """Dismissing lasts until the next report."""
    report_at(pbx, "999")
    dismiss(pbx, "999")
    assert listed(pbx) == []
    report_at(pbx, "999")
    assert listed(pbx) == ["999"]


def test_known_numbers_come_after_those_that_had_calls(pbx: Pbx, other_pbx: Pbx) -> None:
    """A listed number is suggested with its name; one that also had a call is suggested once."""
    know(pbx, {"103": "Anna", "12": "", "101": "Bob"})
    report_at(pbx, "101", "700")
    assert listed(pbx) == ["101", "700", "12", "103"]
    assert listed(other_pbx) == []
    by_number = {one.number: one for one in suggestions.list_suggestions(pbx)}
    assert by_number["101"].name == "Bob"
    assert by_number["101"].listed_at
    assert by_number["101"].last_seen_at
    assert by_number["700"].listed_at is None
    assert by_number["12"].last_seen_at is None


def test_existing_extensions_are_not_suggested(pbx: Pbx) -> None:
    """Neither by number nor, if tenants share numbers, by number with domain."""
    begin_write()
    pbxs_extensions.add_extension(pbx, "101")
    pbxs_extensions.add_extension(pbx, "102@b.example")
    db.session.commit()
    know(pbx, {"101": "", "102": "", "103": ""}, realm="b.example")
    assert listed(pbx) == ["103"]
    know(pbx, {"101": "", "102@b.example": "", "103": ""})
    assert listed(pbx) == ["103"]


def test_a_known_number_stays_dismissed_until_it_has_a_call(pbx: Pbx) -> None:
    """A list does not make a dismissed number a suggestion again; a call does."""
    know(pbx, {"101": "", "102": ""})
    dismiss(pbx, "101")
    know(pbx, {"101": "", "102": ""})
    assert listed(pbx) == ["102"]
    assert suggestions.count_suggestions(pbx) == 1
    assert add(pbx) == ["102"], "all means all suggestions"
    report_at(pbx, "101")
    assert listed(pbx) == ["101"]


def test_numbers_that_are_no_longer_listed_are_removed(pbx: Pbx) -> None:
    """Unless they had a call, or were dismissed and may be listed again."""
    before = utc_now() - timedelta(hours=1)
    know(pbx, dict.fromkeys(("101", "102", "103", "104"), ""), before)
    report_at(pbx, "102")
    dismiss(pbx, "103")
    now = utc_now()
    know(pbx, {"104": ""}, now)
    begin_write()
    suggestions.delete_unlisted(pbx, now)
    db.session.commit()
    assert listed(pbx) == ["102", "104"]
    rows = db.session.scalars(select(SeenExtension).order_by(SeenExtension.number)).all()
    assert [(one.number, one.dismissed) for one in rows] == [
        ("102", False),
        ("103", True),
        ("104", False),
    ]
    assert rows[0].listed_at is None


def test_all_are_added_with_their_names(pbx: Pbx, other_pbx: Pbx) -> None:
    """All suggestions of this PBX are added, each once."""
    know(pbx, {str(number): f"Room {number}" for number in range(1000, 2200)})
    know(other_pbx, {"1000": ""})
    begin_write()
    pbxs_extensions.add_extension(pbx, "1001")
    db.session.commit()
    added = add(pbx)
    assert len(added) == 1199
    assert listed(pbx) == []
    assert add(pbx) == []
    assert {one.number: one.name for one in pbxs_extensions.list_extensions(pbx)}[
        "1002"
    ] == "Room 1002"
    assert len(pbxs_extensions.list_extensions(pbx)) == 1200
    assert listed(other_pbx) == ["1000"]


def test_the_sign_for_all_extensions_is_no_extension(pbx: Pbx) -> None:
    """`*` is neither suggested nor added."""
    report_at(pbx, "*", "101")
    know(pbx, {"*": "", " 102": "", "102": ""})
    assert db.session.query(SeenExtension).count() == 2
    assert listed(pbx) == ["101", "102"]
    begin_write()
    db.session.add(SeenExtension(pbx_id=pbx.id, number="*", last_seen_at=utc_now()))
    assert suggestions.add_suggestions(pbx, ["*"]) == []
    assert sorted(suggestions.add_suggestions(pbx, None)) == ["101", "102"]
    assert pbxs_extensions.add_extensions(pbx, {"*": "", "103": "Anna"}) == ["103"]
    db.session.commit()
    assert {one.number for one in pbxs_extensions.list_extensions(pbx)} == {"101", "102", "103"}


def test_old_suggestions_are_removed(pbx: Pbx) -> None:
    """After the retention period, counted from the last call or list with the number."""
    now = utc_now()
    old = now - timedelta(days=40)
    begin_write()
    for number, seen_at, listed_at in (
        ("1", old, None),
        ("2", None, old),
        ("3", old, now),
        ("4", now, old),
        ("5", now, None),
    ):
        row = {"last_seen_at": seen_at, "listed_at": listed_at}
        db.session.add(SeenExtension(pbx_id=pbx.id, number=number, **row))
    db.session.commit()
    with write_transaction(db.engine) as connection:
        purge_other_tables(connection, now - timedelta(days=30))
    assert sorted(listed(pbx)) == ["3", "4", "5"]


def test_a_list_is_requested_from_a_connector(pbx: Pbx) -> None:
    """It fails without a connector; a new host resets the result of the last list."""
    with pytest.raises(NotFoundError):
        request_list(pbx)
    begin_write()
    access = {"kind": ConnectorKind.FREESWITCH, "port": 8021, "secret": "s"}
    set_connector(pbx, ConnectorConfig(host="a.example", **access))
    request_list(pbx)
    connector = get_connector(pbx)
    assert connector.list_wanted_at
    connector.listed, connector.listed_at, connector.list_notice = 7, utc_now(), "x"
    set_connector(pbx, ConnectorConfig(host="b.example", **access))
    assert (connector.listed, connector.listed_at, connector.list_notice) == (0, None, "")
    assert connector.list_wanted_at is None
