"""The overview: statistics over time, backlog, failing hooks."""

from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import update

from callevents.db.models import Delivery, Hook, MinuteStatistics, Origin, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks.hooks import HookData, create_hook
from callevents.operations import failing as failing_hooks
from callevents.operations import overview
from callevents.operations.overview import Statistics, TimeRange
from callevents.operations.statistics import ALL_PBXS, LATENCY_LIMITS_MS, MINUTE, to_minute
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import create_receiver
from tests.conftest import Configure
from tests.support.aged_events import AddEvents

RANGES = len(LATENCY_LIMITS_MS) + 1


def latencies(**counts: int) -> tuple[int, ...]:
    """Return a histogram; `ms_50=3`: three took 30 to 50 ms. `more`: above all limits."""
    by_limit = {int(name[3:]): n for name, n in counts.items() if name.startswith("ms_")}
    return (*(by_limit.get(limit, 0) for limit in LATENCY_LIMITS_MS), counts.get("more", 0))


@pytest.mark.parametrize(
    ("counts", "share", "low", "high"),
    [
        ({"ms_50": 10}, 0.5, 30, 50),
        ({"ms_50": 99, "ms_1000": 1}, 0.5, 30, 50),
        ({"ms_50": 99, "ms_1000": 1}, 0.99, 49, 51),
        ({"ms_50": 98, "ms_1000": 2}, 0.99, 700, 1000),
        ({"ms_5": 1}, 0.99, 0, 5),
        ({"more": 1}, 0.5, 86_400_000, 86_400_000),
    ],
)
def test_latency_is_estimated_within_its_range(
    counts: dict[str, int], share: float, low: float, high: float
) -> None:
    """The estimate lies within the bucket of the delivery."""
    found = Statistics(utc_now(), latencies=latencies(**counts)).latency_ms(share)
    assert found is not None
    assert low <= found <= high


def test_nothing_has_no_share_and_no_latency() -> None:
    """Without ended deliveries, share and latency are None, not zero."""
    nothing = Statistics(utc_now(), pending=3, cancelled=1)
    assert nothing.success_share is None
    assert nothing.latency_ms(0.5) is None
    assert nothing.deliveries == 4
    assert Statistics(utc_now(), delivered=3, failed=1).success_share == 0.75


def add_figures(pbx_id: int, minutes_ago: int, **counts: int) -> None:
    """Store statistics of a minute."""
    begin_write()
    zero = dict.fromkeys(("events", "pending", "delivered", "failed", "cancelled"), 0)
    minute = to_minute(utc_now()) - minutes_ago * MINUTE
    empty = [0] * RANGES
    db.session.add(
        MinuteStatistics(pbx_id=pbx_id, minute=minute, latencies=empty, **(zero | counts))
    )
    db.session.commit()


@pytest.mark.parametrize("span", list(TimeRange))
def test_statistics_are_summed_by_step(pbx: Pbx, span: TimeRange) -> None:
    """Each minute counts once, in its step; older minutes and those of other PBXs do not."""
    for ago in (0, 1, 30, 58):
        add_figures(ALL_PBXS, ago, events=1, delivered=2)
        add_figures(pbx.id, ago, events=5)
    add_figures(ALL_PBXS, 25 * 60, events=1000)
    now = utc_now()
    slots = overview.list_statistics(None, span, now)
    assert len(slots) == span.count
    assert slots[-1].at <= now < slots[-1].at + span.step
    assert [b.at - a.at for a, b in pairwise(slots)] == [span.step] * (span.count - 1)
    assert sum(slot.events for slot in slots) == 4
    assert sum(slot.delivered for slot in slots) == 8
    assert sum(slot.events for slot in overview.list_statistics(pbx, span, now)) == 20


def test_backlog(add_events: AddEvents, pbx: Pbx) -> None:
    """The number of open and held deliveries, the oldest due time, and the maximum counted."""
    assert overview.count_open(None, utc_now()) == overview.Backlog(0, 0, False, None)
    add_events(2, age=timedelta(minutes=5), state=DeliveryState.PENDING)
    add_events(1)
    add_events(3, state=DeliveryState.HELD)
    due = to_minute(utc_now()) - timedelta(minutes=2)
    begin_write()
    waiting = db.session.query(Delivery).filter_by(state=DeliveryState.PENDING).all()
    waiting[0].due_at, waiting[1].due_at = due, utc_now() + timedelta(hours=1)
    db.session.commit()
    for of_pbx in (None, pbx):
        assert overview.count_open(of_pbx, utc_now()) == overview.Backlog(2, 3, False, due)
    assert overview.count_open(None, due - MINUTE).due_since is None
    for of_pbx in (None, pbx):
        backlog = overview.count_open(of_pbx, utc_now(), max_count=1)
        assert (backlog.count, backlog.held, backlog.is_more) == (1, 1, True)


def test_failing_hooks(configure: Configure, pbx: Pbx, add_events: AddEvents) -> None:
    """Suspended hooks first, then the longest failing; healthy and disabled ones are not listed."""
    now = utc_now()
    well = add_events.hook
    failing = [
        configure.hook("*", EventType.HANGUP, f"http://{name}.example/") for name in ("a", "b")
    ]
    off = configure.hook("*", EventType.HANGUP, "http://c.example/")
    suspended = configure.hook("*", EventType.HANGUP, "http://d.example/")
    begin_write()
    for hook, hours in ((failing[0], 1), (failing[1], 2), (off, 3), (suspended, 30)):
        db.session.get_one(Hook, hook.id).failing_since = now - timedelta(hours=hours)
    db.session.get_one(Hook, off.id).active = False
    db.session.get_one(Hook, suspended.id).suspended_at = now
    db.session.commit()
    found = [one.hook.id for one in failing_hooks.list_failing(pbx)]
    assert found == [suspended.id, failing[1].id, failing[0].id]
    assert well.id not in found
    assert overview.count_suspended() == overview.count_suspended(pbx) == 1


def test_open_origins(configure: Configure, pbx: Pbx) -> None:
    """Origins whose circuit is open; for one PBX only those that its hooks use."""
    configure.hook("*", EventType.HANGUP, "http://a.example/")
    configure.hook("*", EventType.HANGUP, "http://b.example/")
    now = utc_now()
    begin_write()
    db.session.add(Origin(name="http://other.example:80", probe_at=now, opened_at=now))
    db.session.execute(
        update(Origin)
        .where(Origin.name == "http://a.example:80")
        .values(probe_at=now, opened_at=now - MINUTE)
    )
    db.session.commit()
    names = [origin.name for origin in overview.list_open_origins()]
    assert names == ["http://a.example:80", "http://other.example:80"]
    assert [o.name for o in overview.list_open_origins(pbx)] == ["http://a.example:80"]


def test_failing_hooks_of_a_receiver_are_one(
    configure: Configure, pbx: Pbx, other_pbx: Pbx, add_events: AddEvents
) -> None:
    """With their number, the PBX if it is one, and the times; plain ones stay alone."""
    alone = configure.hook("*", EventType.HANGUP, "http://alone.example/")
    begin_write()
    address = "http://crm.example"
    receiver = create_receiver(ReceiverData("CRM", address))
    data = HookData(f"{address}/calls", receiver_id=receiver.id)
    made = [create_hook(one, None, EventType.HANGUP, data) for one in (pbx, pbx, other_pbx)]
    now = utc_now()
    made[0].suspended_at = db.session.get_one(Hook, alone.id).suspended_at = now
    for hook, hours in zip(made, (1, 2, 3), strict=True):
        hook.failing_since = now - timedelta(hours=hours)
    db.session.commit()
    [of_pbx] = failing_hooks.list_failing_receivers(pbx)
    assert (of_pbx.receiver, of_pbx.pbx, of_pbx.extensions) == (receiver, pbx, 0)
    assert (of_pbx.count, of_pbx.suspended, of_pbx.failing) == (2, 1, 1)
    assert (of_pbx.suspended_at, of_pbx.failing_since) == (now, now - timedelta(hours=2))
    [everywhere] = failing_hooks.list_failing_receivers()
    assert (everywhere.count, everywhere.pbx) == (3, None)
    plain = failing_hooks.list_failing(is_plain=True)
    assert [one.hook.id for one in plain] == [alone.id]
