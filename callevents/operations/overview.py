"""Overview: statistics over time, backlog, failing hooks, open origins and workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property

from sqlalchemy import ColumnElement, Subquery, func, select

from callevents.db.models import (
    Delivery,
    Hook,
    MinuteStatistics,
    OpenIndex,
    Origin,
    Pbx,
    WorkerProcess,
    is_held_by,
    is_open_by,
    utc_now,
)
from callevents.enums import DeliveryState
from callevents.extensions import db
from callevents.hooks.suspension import count_suspended
from callevents.operations.failing import (
    MAX_SHOWN,
    FailingHook,
    FailingReceiver,
    list_failing,
    list_failing_receivers,
)
from callevents.operations.heartbeat import is_alive, list_workers
from callevents.operations.statistics import ALL_PBXS, LATENCY_LIMITS_MS, MINUTE, to_minute

#: Open deliveries are counted up to this number.
MAX_COUNT = 100_000


class TimeRange(Enum):
    """Period to show, and its step."""

    HOUR = ("hour", 60, MINUTE)
    DAY = ("day", 96, 15 * MINUTE)

    def __init__(self, slug: str, count: int, step: timedelta) -> None:
        self.slug = slug
        self.count = count
        self.step = step

    @classmethod
    def from_slug(cls, slug: str) -> "TimeRange":
        """Return the range of that name, an hour for any other text."""
        return next((span for span in cls if span.slug == slug), cls.HOUR)


_COUNTS = ("events", *DeliveryState)


@dataclass
class Statistics:
    """Statistics of one step: events accepted, deliveries by state, latencies."""

    at: datetime
    events: int = 0
    pending: int = 0
    held: int = 0
    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    latencies: tuple[int, ...] = (0,) * (len(LATENCY_LIMITS_MS) + 1)

    @property
    def deliveries(self) -> int:
        """Number of deliveries created for the events."""
        return sum(getattr(self, state) for state in DeliveryState)

    @property
    def success_share(self) -> float | None:
        """Delivered share of the delivered and failed ones; None if there are none."""
        ended = self.delivered + self.failed
        return self.delivered / ended if ended else None

    def add(self, row: "MinuteStatistics | Statistics") -> None:
        """Add other statistics to these."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(row, name))
        self.latencies = tuple(
            mine + other for mine, other in zip(self.latencies, row.latencies, strict=True)
        )

    def latency_ms(self, share: float) -> float | None:
        """Return the estimated latency quantile, None without data; `share` is 0.95 for p95."""
        wanted = share * sum(self.latencies)
        if not wanted:
            return None
        below = 0
        for count, low, high in zip(self.latencies, _LOWER, _UPPER, strict=True):
            if count and below + count >= wanted:
                return low + (high - low) * (wanted - below) / count
            below += count
        return float(_UPPER[-1])


#: Bounds of the latency histogram's buckets; the last one is open.
_LOWER = (0, *LATENCY_LIMITS_MS)
_UPPER = (*LATENCY_LIMITS_MS, LATENCY_LIMITS_MS[-1])


@dataclass(frozen=True)
class Backlog:
    """Open deliveries. `is_more`: there are more of them than were counted."""

    count: int
    #: Held deliveries, up to the same maximum.
    held: int
    is_more: bool
    #: When the oldest overdue delivery was due; None if none is overdue.
    due_since: datetime | None


@dataclass(frozen=True)
class Overview:
    """Everything that the overview page shows, for one PBX or for all."""

    pbx: Pbx | None
    now: datetime
    span: TimeRange
    slots: Sequence[Statistics]
    backlog: Backlog
    suspended: int
    origins: Sequence[Origin]
    workers: Sequence[WorkerProcess]

    @cached_property
    def total(self) -> Statistics:
        """Statistics of the whole time range."""
        return _sum(self.slots)

    @cached_property
    def alive(self) -> Sequence[WorkerProcess]:
        """Workers with a recent heartbeat."""
        return [worker for worker in self.workers if is_alive(worker, self.now)]

    # Each is read only where it is shown.

    @cached_property
    def failing(self) -> Sequence[FailingHook]:
        """Hooks that are suspended or failing."""
        return list_failing(self.pbx)

    @cached_property
    def failing_plain(self) -> Sequence[FailingHook]:
        """Those without a receiver."""
        return list_failing(self.pbx, is_plain=True)

    @cached_property
    def failing_receivers(self) -> Sequence[FailingReceiver]:
        """The receivers of the others."""
        return list_failing_receivers(self.pbx)

    @property
    def foreign_jobs(self) -> int:
        """Jobs that are not ours and that the workers have dropped since their start."""
        return sum(worker.foreign_jobs for worker in self.workers)


def load_overview(pbx: Pbx | None = None, span: TimeRange = TimeRange.HOUR) -> Overview:
    """Return the overview of one PBX or of all."""
    now = utc_now()
    return Overview(
        pbx=pbx,
        now=now,
        span=span,
        slots=list_statistics(pbx, span, now),
        backlog=count_open(pbx, now),
        suspended=count_suspended(pbx),
        origins=list_open_origins(pbx),
        workers=list_workers(),
    )


def list_statistics(pbx: Pbx | None, span: TimeRange, now: datetime) -> list[Statistics]:
    """Return the statistics of each step, oldest first; the last step is still running."""
    last = to_minute(now)
    last -= (last - datetime.min.replace(tzinfo=last.tzinfo)) % span.step
    first = last - (span.count - 1) * span.step
    slots = [Statistics(first + number * span.step) for number in range(span.count)]
    rows = db.session.scalars(
        select(MinuteStatistics).where(
            MinuteStatistics.pbx_id == (pbx.id if pbx else ALL_PBXS),
            MinuteStatistics.minute >= first,
        )
    )
    for row in rows:
        if (number := (row.minute - first) // span.step) < span.count:
            slots[number].add(row)
    return slots


def count_open(pbx: Pbx | None, now: datetime, *, max_count: int = MAX_COUNT) -> Backlog:
    """Return the number of open and held deliveries, and since when the oldest is overdue."""
    index = OpenIndex.PBX_ID if pbx else OpenIndex.EXPIRES_AT
    rows = _select_some(is_open_by(index), pbx, max_count + 1)
    count, due_since = db.session.execute(select(func.count(), func.min(rows.c.due_at))).one()
    held = _select_some(is_held_by(index), pbx, max_count)
    return Backlog(
        min(count, max_count),
        db.session.scalar(select(func.count()).select_from(held)) or 0,
        count > max_count,
        due_since if due_since and due_since < now else None,
    )


def _select_some(state: ColumnElement[bool], pbx: Pbx | None, limit: int) -> Subquery:
    """Return the subquery for some deliveries in that state, of a PBX or of all."""
    # Ordered as an index of that state, so that a huge backlog is not read completely.
    some = select(Delivery.due_at).where(state).limit(limit)
    if pbx:
        return some.where(Delivery.pbx_id == pbx.id).order_by(Delivery.id).subquery()
    return some.order_by(Delivery.expires_at).subquery()


def list_open_origins(pbx: Pbx | None = None) -> Sequence[Origin]:
    """Return the origins whose circuit is open, longest open first."""
    query = (
        select(Origin)
        .where(Origin.probe_at.is_not(None))
        .order_by(Origin.opened_at, Origin.id)
        .limit(MAX_SHOWN)
    )
    if pbx:
        query = query.where(Origin.id.in_(select(Hook.origin_id).where(Hook.pbx_id == pbx.id)))
    return db.session.scalars(query).all()


def _sum(slots: Sequence[Statistics]) -> Statistics:
    total = Statistics(slots[0].at)
    for slot in slots:
        total.add(slot)
    return total
