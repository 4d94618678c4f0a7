"""Legs restored from the events that an earlier listener stored."""

from datetime import UTC, datetime

import pytest

from callevents.enums import EventType
from callevents.ingest.report import Report
from callevents.vendors.tracking.legs import Role
from callevents.vendors.tracking.restored_leg import restore_legs

AT = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event_type", "role"),
    [
        (EventType.DIAL_OUT, Role.CALLER),
        (EventType.ANSWER_OUT, Role.CALLER),
        (EventType.DIAL_IN, Role.CALLED),
        (EventType.ANSWER_IN, Role.CALLED),
    ],
)
def test_one_event_gives_the_role(event_type: EventType, role: Role) -> None:
    """Of a call that was taken over, the answer may be the only event that was sent."""
    [leg] = restore_legs([Report(event_type=event_type, extension="101", leg_id="1", at=AT)])
    assert (leg.role, leg.sent) == (role, {event_type})


@pytest.mark.parametrize(("is_late", "answered_at"), [(False, AT), (True, None)])
def test_time_of_the_answer(is_late: bool, answered_at: datetime | None) -> None:
    """The time of a late answer is not when the call was answered: no duration follows from it."""
    answer = Report(
        event_type=EventType.ANSWER_IN, extension="101", leg_id="1", at=AT, is_late=is_late
    )
    [leg] = restore_legs([answer])
    assert leg.answered_at == answered_at
    assert leg.leg_fields()["is_answered"]
