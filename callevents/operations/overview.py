"""How deliveries fare: figures over time, what waits, what fails, who works."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import joinedload

from callevents.db.models import (
    IS_OPEN,
    Attempt,
    Delivery,
    Hook,
    MinuteStatistics,
    Origin,
    Pbx,
    WorkerProcess,
    utc_now,
)
from callevents.delivery.log.queries import last_failures
from callevents.extensions import db
from callevents.hooks.suspension import count_suspended
from callevents.operations.heartbeat import is_alive, list_workers
from callevents.operations.statistics import ALL_PBXS, LATENCY_LIMITS_MS, MINUTE, to_minute

#: Open deliveries are counted up to this.
MAX_COUNT = 100_000
#: Failing hooks and open circuit breakers that are shown.
MAX_SHOWN = 50


class Span(Enum):
    """How far back to look, and in which steps."""

    HOUR = ("hour", 60, MINUTE)
    DAY = ("day", 96, 15 * MINUTE)

    def __init__(self, slug: str, count: int, step: timedelta) -> None:
        self.slug = slug
        self.count = count
        self.step = step

    @classmethod
    def from_slug(cls, slug: str) -> "Span":
        """Return the span of that name, an hour for any other text."""
        return next((span for span in cls if span.slug == slug), cls.HOUR)


@dataclass
class Figures:
    """What was accepted from a moment on, and what has become of it."""

    at: datetime
    events: int = 0
    pending: int = 0
    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    latencies: tuple[int, ...] = (0,) * (len(LATENCY_LIMITS_MS) + 1)

    @property
    def deliveries(self) -> int:
        """How many deliveries were made of the events."""
        return self.pending + self.delivered + self.failed + self.cancelled

    @property
    def success_share(self) -> float | None:
        """Which share of those that have ended well or badly has been delivered."""
        ended = self.delivered + self.failed
        return self.delivered / ended if ended else None

    def add(self, row: "MinuteStatistics | Figures") -> None:
        """Add other figures to these."""
        for name in ("events", "pending", "delivered", "failed", "cancelled"):
            setattr(self, name, getattr(self, name) + getattr(row, name))
        self.latencies = tuple(
            one + other for one, other in zip(self.latencies, row.latencies, strict=True)
        )

    def latency_ms(self, share: float) -> float | None:
        """Return within which time this share of the delivered was delivered, as an estimate."""
        wanted = share * sum(self.latencies)
        if not wanted:
            return None
        below = 0
        for count, low, high in zip(self.latencies, _LOWER, _UPPER, strict=True):
            if count and below + count >= wanted:
                return low + (high - low) * (wanted - below) / count
            below += count
        return float(_UPPER[-1])


#: The ends of the ranges that latencies are counted in; the last one is open.
_LOWER = (0, *LATENCY_LIMITS_MS)
_UPPER = (*LATENCY_LIMITS_MS, LATENCY_LIMITS_MS[-1])


@dataclass(frozen=True)
class Backlog:
    """The open deliveries. `is_more`: there are more than were counted."""

    count: int
    is_more: bool
    #: When the one that is longest due was due; None if none is due.
    due_since: datetime | None


@dataclass(frozen=True)
class FailingHook:
    """A hook that is suspended or whose attempts fail, and the last one that did."""

    hook: Hook
    last: Attempt | None


@dataclass(frozen=True)
class Overview:
    """Everything that the page shows, of one PBX or of all."""

    now: datetime
    span: Span
    slots: Sequence[Figures]
    backlog: Backlog
    failing: Sequence[FailingHook]
    suspended: int
    origins: Sequence[Origin]
    workers: Sequence[WorkerProcess]

    @cached_property
    def total(self) -> Figures:
        """The figures of the whole span."""
        return _sum(self.slots)

    @cached_property
    def alive(self) -> Sequence[WorkerProcess]:
        """The workers that have been heard lately."""
        return [worker for worker in self.workers if is_alive(worker, self.now)]


def look(pbx: Pbx | None = None, span: Span = Span.HOUR) -> Overview:
    """Return the overview of a PBX, or of all."""
    now = utc_now()
    return Overview(
        now=now,
        span=span,
        slots=list_figures(pbx, span, now),
        backlog=count_open(pbx, now),
        failing=list_failing(pbx),
        suspended=count_suspended(pbx),
        origins=list_open_origins(pbx),
        workers=list_workers(),
    )


def list_figures(pbx: Pbx | None, span: Span, now: datetime) -> list[Figures]:
    """Return the figures of each step of the span, oldest first; the last one is going on."""
    last = to_minute(now)
    last -= (last - datetime.min.replace(tzinfo=last.tzinfo)) % span.step
    first = last - (span.count - 1) * span.step
    slots = [Figures(first + number * span.step) for number in range(span.count)]
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


def count_open(pbx: Pbx | None, now: datetime) -> Backlog:
    """Return how many deliveries are open, and since when one is due without being sent."""
    # In the order of an index on open ones each, so that a huge backlog is not read whole.
    some = select(Delivery.due_at).where(IS_OPEN).limit(MAX_COUNT + 1)
    if pbx:
        some = some.where(Delivery.pbx_id == pbx.id).order_by(Delivery.id)
    else:
        some = some.order_by(Delivery.expires_at)
    rows = some.subquery()
    count, due_since = db.session.execute(select(func.count(), func.min(rows.c.due_at))).one()
    return Backlog(
        min(count, MAX_COUNT),
        count > MAX_COUNT,
        due_since if due_since and due_since < now else None,
    )


def list_failing(pbx: Pbx | None = None) -> list[FailingHook]:
    """Return suspended hooks and those that fail: suspended ones first, then longest failing."""
    query = (
        select(Hook)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .where(
            or_(Hook.suspended_at.is_not(None), and_(Hook.active, Hook.failing_since.is_not(None)))
        )
        .order_by(Hook.suspended_at.is_(None), Hook.failing_since, Hook.id)
        .limit(MAX_SHOWN)
    )
    if pbx:
        query = query.where(Hook.pbx_id == pbx.id)
    hooks = db.session.scalars(query).all()
    last = last_failures(hooks)
    return [FailingHook(hook, last.get(hook.id)) for hook in hooks]


def list_open_origins(pbx: Pbx | None = None) -> Sequence[Origin]:
    """Return the origins that are left alone by their circuit breaker, longest open first."""
    query = (
        select(Origin)
        .where(Origin.probe_at.is_not(None))
        .order_by(Origin.opened_at, Origin.id)
        .limit(MAX_SHOWN)
    )
    if pbx:
        query = query.where(Origin.id.in_(select(Hook.origin_id).where(Hook.pbx_id == pbx.id)))
    return db.session.scalars(query).all()


def _sum(slots: Sequence[Figures]) -> Figures:
    total = Figures(slots[0].at)
    for slot in slots:
        total.add(slot)
    return total
