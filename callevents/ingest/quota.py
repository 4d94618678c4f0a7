"""Quotas of a PBX's reports: events a minute and open deliveries.

Counted in the transaction that stores the reports, so they hold for all processes together, and
with one statement for all concurrent reports of a PBX. A PBX without them costs no statement.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    bindparam,
    func,
    literal_column,
    select,
)

from callevents.db.models import CallEvent, Delivery, OpenIndex, Pbx, is_open_by
from callevents.errors import QuotaError
from callevents.ingest.statements import run

MINUTE = timedelta(minutes=1)
#: When a PBX with too many open deliveries may report again. They end at any time.
BACKLOG_WAIT_SECONDS = 10

_OF_PBX: BindParameter[int] = bindparam("pbx_id")
_ONE: ColumnElement[int] = literal_column("1")


def _count(query: Any, maximum: str) -> Any:
    """Return the subquery that counts rows up to a maximum, so that it reads no more of them."""
    some = query.limit(bindparam(maximum, type_=Integer)).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


_IS_RECENT = (CallEvent.pbx_id == _OF_PBX, CallEvent.received_at > bindparam("since"))
_OPEN = (
    select(_ONE)
    .where(Delivery.pbx_id == _OF_PBX, is_open_by(OpenIndex.PBX_ID))
    # So that the planner takes the index on a PBX's open deliveries: without an order it may expect
    # to find as many soon in the table, and read all of it.
    .order_by(Delivery.id)
)
USE = select(
    _count(select(_ONE).where(*_IS_RECENT), "max_events").label("events"),
    select(func.min(CallEvent.received_at)).where(*_IS_RECENT).scalar_subquery().label("oldest_at"),
    _count(_OPEN, "max_open").label("open"),
)


def has_quotas(pbx: Pbx) -> bool:
    """Return True if the PBX's reports are limited."""
    return pbx.max_events_per_minute is not None or pbx.max_open_deliveries is not None


def check_quotas(pbx: Pbx, sizes: Sequence[int], now: datetime) -> list[QuotaError | None]:
    """Return, for each request with so many reports, why it must be refused, or None.

    A request is accepted or refused as a whole. Duplicates count like others here, because they are
    recognised later; they are no events in the next count.
    """
    max_events, max_open = pbx.max_events_per_minute, pbx.max_open_deliveries
    use = run(
        USE,
        {
            "pbx_id": pbx.id,
            "since": now - MINUTE,
            "max_events": max_events or 0,
            "max_open": max_open or 0,
        },
    ).one()
    if max_open is not None and use.open >= max_open:
        sentence = f"The limit of this PBX is {max_open:,} waiting deliveries, and it is reached."
        return [QuotaError(sentence, BACKLOG_WAIT_SECONDS) for _ in sizes]
    if max_events is None:
        return [None] * len(sizes)
    return _check_events(max_events, use, sizes, now)


def _check_events(
    max_events: int, use: Any, sizes: Sequence[int], now: datetime
) -> list[QuotaError | None]:
    """Accept requests in their order while they fit into the minute."""
    oldest_at = use.oldest_at or now
    wait = max(1, ceil((oldest_at + MINUTE - now).total_seconds()))
    sentence = f"This PBX may report {max_events:,} event{'s'[: max_events != 1]} a minute."
    results: list[QuotaError | None] = []
    events = use.events
    for size in sizes:
        if size > max_events:
            alone = f"{sentence} This request alone has {size:,}: send fewer at once."
            results.append(QuotaError(alone, wait, is_full=False))
        elif events + size > max_events:
            results.append(QuotaError(sentence, wait, is_full=events >= max_events))
        else:
            results.append(None)
            events += size
    return results
