"""Bulk operations: count the deliveries that match a filter, and change them batch by batch."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import func, select

from callevents import audit
from callevents.audit.actions import ObjectKind
from callevents.audit.targets import Target, of_delivery
from callevents.counted import counted
from callevents.db.models import Delivery, Extension, Hook, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import Page, find_all, find_page
from callevents.delivery.log.resend import (
    ActionResult,
    SkipReason,
    cancel,
    find_hook_skip_reason,
    resend,
)
from callevents.enums import DeliveryState, ListedState
from callevents.extensions import db

#: Deliveries changed in one transaction.
BATCH = 500
MAX_COUNTED = 10_000
#: Limits the time for counting where few deliveries match.
MAX_COUNTED_PAGES = 10

Act = Callable[[Collection[str], datetime], ActionResult]
_ACTIONS: Mapping[Act, audit.Action] = {
    resend: audit.Action.DELIVERY_SENT_AGAIN,
    cancel: audit.Action.DELIVERY_CANCELLED,
}


@dataclass
class Summary:
    """Numbers of matching deliveries by state, and of those that cannot be sent again by reason."""

    total: int = 0
    #: Where to continue if there may be more; None if all are counted.
    before: str | None = None
    states: Counter[DeliveryState] = field(default_factory=Counter)
    skipped: Counter[SkipReason] = field(default_factory=Counter)

    @property
    def is_more(self) -> bool:
        """True if there may be more."""
        return self.before is not None


@dataclass
class Progress:
    """Numbers of deliveries processed so far. `before`: where to continue, None at the end."""

    changed: int = 0
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    before: str | None = None

    @property
    def seen(self) -> int:
        """The number of deliveries processed, changed or not."""
        return self.changed + self.skipped.total()


def count_matching(
    wanted: Filter, before: str | None = None, *, max_counted: int = MAX_COUNTED
) -> Summary:
    """Count matching deliveries, up to `max_counted`; raises InvalidError."""
    takes_skipped = wanted.state is ListedState.SKIPPED
    summary = Summary()
    for page in islice(find_all(wanted, size=max_counted, before=before), MAX_COUNTED_PAGES):
        summary.total += len(page.found)
        summary.states.update(row.state for row in page.found)
        summary.skipped += _count_skipped(page, takes_skipped=takes_skipped)
        summary.before = page.before
        if summary.total >= max_counted:
            break
    return summary


def _count_skipped(page: Page, *, takes_skipped: bool) -> Counter[SkipReason]:
    """Count the deliveries that are not sent again, by reason: most because of their hooks."""
    rows = [row for row in page.found if takes_skipped or not _is_skipped(row)]
    per_hook = Counter(row.hook_id for row in rows)
    hooks = {
        hook.id: hook
        for hook in db.session.execute(
            select(Hook.id, Hook.active, Hook.suspended_at).where(Hook.id.in_(per_hook))
        )
    }
    skipped: Counter[SkipReason] = Counter()
    if unmet := len(page.found) - len(rows):
        skipped[SkipReason.CONDITIONS] = unmet
    for hook_id, count in per_hook.items():
        if reason := find_hook_skip_reason(hooks.get(hook_id)):
            skipped[reason] += count
    return skipped


def apply_to_all(
    act: Act, wanted: Filter, before: str | None = None, *, batch: int = BATCH
) -> Iterator[Progress]:
    """Apply `act` to all matching deliveries, newest first; yield after each batch.

    The caller commits each batch. No delivery is processed twice, although `act` may change which
    ones match. Raises InvalidError.
    """
    progress = Progress(before=before)
    while True:
        begin_write()
        done = apply_to_batch(act, wanted, progress.before, batch=batch)
        progress.changed += done.changed
        progress.skipped += done.skipped
        progress.before = done.before
        yield progress
        if progress.before is None:
            return


def apply_to_batch(
    act: Act, wanted: Filter, before: str | None = None, *, batch: int = BATCH
) -> Progress:
    """Apply `act` to at most `batch` of the matching deliveries, newest first.

    Those whose conditions were not met are sent again only with a filter for their state. The
    caller has begun a write transaction, and commits it. Raises InvalidError.
    """
    page = find_page(wanted, limit=batch, before=before, columns=("id", "state"))
    now = utc_now()
    takes_all = act is not resend or wanted.state is ListedState.SKIPPED
    ids = [row.id for row in page.found if takes_all or not _is_skipped(row)]
    result = act(ids, now)
    _record_all(act, wanted, result, now)
    if unmet := len(page.found) - len(ids):
        result.skipped[SkipReason.CONDITIONS] += unmet
    return Progress(result.changed, result.skipped, page.before)


def _is_skipped(row: Any) -> bool:
    return row.state is DeliveryState.SKIPPED


def apply_to_ids(act: Act, ids: Collection[str]) -> ActionResult:
    """Apply `act` to these deliveries; the history gets an entry for each one changed."""
    now = utc_now()
    result = act(ids, now)
    columns = (Delivery.id, Delivery.pbx_id, Delivery.extension, Delivery.event_type)
    of_extension = (Extension.pbx_id == Delivery.pbx_id) & (Extension.number == Delivery.extension)
    changed = (
        select(*columns, Extension.id.label("extension_id"))
        .outerjoin(Extension, of_extension)
        .where(Delivery.id.in_(result.ids))
        .order_by(Delivery.id)
    )
    for row in db.session.execute(changed):
        audit.record(_ACTIONS[act], of_delivery(row, row.extension_id), at=now)
    return result


def _record_all(act: Act, wanted: Filter, result: ActionResult, now: datetime) -> None:
    """Record one batch, which is one transaction: the filter, and the number for each PBX."""
    per_pbx = (
        select(Delivery.pbx_id, func.count())
        .where(Delivery.id.in_(result.ids))
        .group_by(Delivery.pbx_id)
        .order_by(Delivery.pbx_id)
    )
    for pbx_id, count in db.session.execute(per_pbx):
        target = Target(ObjectKind.DELIVERIES, "", counted(count, "delivery"), pbx_id)
        values = {"count": count, "filter": wanted.describe()}
        audit.record(_ACTIONS[act], target, after=values, at=now)
