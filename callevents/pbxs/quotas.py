"""Quotas of a PBX: how much it may have and report. None is no limit.

Extensions and hooks are counted where they are added, events and open deliveries in
ingest/quota.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, literal, select

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import (
    CallEvent,
    Delivery,
    Extension,
    Hook,
    OpenIndex,
    Pbx,
    is_open_by,
    utc_now,
)
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs.pbxs import invalidate_caches

IS_OPEN = is_open_by(OpenIndex.PBX_ID)

MAX_QUOTA = 1_000_000
#: What is in use is counted up to this number.
MAX_COUNT = 100_000
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Usage:
    """How much a PBX uses of one quota. `limit`: None for no limit."""

    name: str
    label: str
    used: int
    limit: int | None

    @property
    def is_full(self) -> bool:
        """True if nothing more is accepted."""
        return self.limit is not None and self.used >= self.limit

    @property
    def text(self) -> str:
        """Used and limit, such as '12 of 50'."""
        used = f"{self.used:,}{'+' if self.used >= MAX_COUNT else ''}"
        return used if self.limit is None else f"{used} of {self.limit:,}"


#: The columns of the quotas, and their labels.
LABELS = {
    "max_events_per_minute": "Call events in the last minute",
    "max_open_deliveries": "Waiting deliveries",
    "max_extensions": "Extensions",
    "max_hooks": "Requests",
}


def set_quotas(pbx: Pbx, quotas: Mapping[str, int | None]) -> None:
    """Set these quotas of the PBX, by column; the others stay. Raises InvalidError about them."""
    errors = {
        name: [f"Enter a whole number from 1 to {MAX_QUOTA:,}, or nothing for no limit."]
        for name, limit in quotas.items()
        if limit is not None and not 1 <= limit <= MAX_QUOTA
    }
    if errors:
        raise InvalidError(errors)
    before = {name: getattr(pbx, name) for name in quotas}
    for name, limit in quotas.items():
        setattr(pbx, name, limit)
    audit.record_change(audit.Action.PBX_QUOTAS_CHANGED, of_pbx(pbx), before, dict(quotas))
    # Ingest has the PBX in memory.
    invalidate_caches(pbx)


def read_quotas(texts: Mapping[str, str]) -> dict[str, int | None]:
    """Return the quotas that these texts name; empty is no limit. Raises InvalidError."""
    quotas: dict[str, int | None] = {}
    for name, text in texts.items():
        plain = text.strip().replace(",", "")
        # Anything that is no number is out of range, which `set_quotas` rejects.
        is_number = plain.isascii() and plain.isdigit() and len(plain) <= len(str(MAX_QUOTA))
        quotas[name] = None if not plain else int(plain) if is_number else 0
    return quotas


def load_usage(pbx: Pbx) -> list[Usage]:
    """Return the use of each quota, with one statement."""
    counts = select(
        _count(CallEvent, CallEvent.pbx_id == pbx.id, CallEvent.received_at > utc_now() - MINUTE),
        # In order, so that the planner takes the index on open deliveries.
        _count(
            Delivery, Delivery.pbx_id == pbx.id, is_open_by(OpenIndex.PBX_ID), order=Delivery.id
        ),
        _count(Extension, Extension.pbx_id == pbx.id),
        _count(Hook, Hook.pbx_id == pbx.id),
    )
    row = db.session.execute(counts).one()
    return list(_usage(pbx, row))


def _usage(pbx: Pbx, counts: Any) -> Iterator[Usage]:
    for (name, label), used in zip(LABELS.items(), counts, strict=True):
        yield Usage(name, label, used, getattr(pbx, name))


def _count(model: Any, *conditions: Any, order: Any = None) -> Any:
    some = select(literal(1)).select_from(model).where(*conditions).order_by(order)
    return select(func.count()).select_from(some.limit(MAX_COUNT).subquery()).scalar_subquery()
