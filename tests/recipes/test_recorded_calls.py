"""Calls that were recorded at real PBXs make one entry each in a simulated Zammad."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from callevents.db.models import Pbx, utc_now
from callevents.ingest.report import Report
from tests.ingest.calls import store
from tests.ingest.test_recorded_calls import follow
from tests.recipes.conftest import Line
from tests.recipes.simulated.zammad import Zammad
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Recorded:
    """A recorded call, and its entry in the caller log."""

    source: str
    name: str
    direction: str
    user: str
    cause: str
    is_done: bool


CALLS = [
    Recorded("asterisk", "s22_ring_group_dial_two", "in", "user-103", "normalClearing", True),
    Recorded("freeswitch", "f22_ring_group_two_users", "in", "user-103", "normalClearing", True),
    Recorded("asterisk", "s24_ring_group_nobody_answers", "in", "user-102", "noAnswer", False),
    Recorded(
        "asterisk", "s18_queue_two_members_ringall_sip", "in", "user-102", "normalClearing", True
    ),
    Recorded("asterisk", "s07_outbound_trunk_answered", "out", "user-101", "normalClearing", True),
    Recorded("asterisk", "s09_outbound_trunk_busy", "out", "user-101", "busy", True),
]


def replay(pbx: Pbx, call: Recorded) -> None:
    """Store what a listener tells of the call, as if it had ended now."""
    told = follow(call.source, call.name)
    shift = utc_now() - told[-1][0] - timedelta(seconds=1)
    for _, reports, overs in told:
        store(
            pbx,
            *(move(report, shift) for report in reports),
            overs=[over._replace(at=over.at + shift) for over in overs],
        )


def move(report: Report, shift: timedelta) -> Report:
    """Return the report at another time."""
    return report._replace(at=report.at + shift if report.at else None)


@pytest.mark.parametrize("call", CALLS, ids=[call.name for call in CALLS])
def test_recorded_call_is_one_entry(line: Line, pbx: Pbx, call: Recorded) -> None:
    """However many phones rang: one line with the direction, who answered, and the cause."""
    zammad = Zammad()
    phones = ("101", "102", "103", "104", "105")
    line.connect("zammad", zammad, {phone: f"user-{phone}" for phone in phones})
    replay(pbx, call)
    wait_until(
        lambda: [entry.state for entry in zammad.log.values()] == ["hangup"], "the end of the call"
    )
    [entry] = zammad.log.values()
    assert (entry.direction, entry.user, entry.comment) == (call.direction, call.user, call.cause)
    assert entry.is_done is call.is_done
    assert zammad.refused == []
