"""Bulk operations: count the deliveries that match a filter, and change them batch by batch."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from sqlalchemy import select

from callevents.db.models import Hook, utc_now
from callevents.db.session import begin_write
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import Page, find_all, find_page
from callevents.delivery.log.resend import ActionResult, SkipReason, find_hook_skip_reason
from callevents.enums import DeliveryState
from callevents.extensions import db

#: Deliveries changed in one transaction.
BATCH = 500
MAX_COUNTED = 10_000
#: Limits the time for counting where few deliveries match.
MAX_COUNTED_PAGES = 10

Act = Callable[[Collection[str], datetime], ActionResult]


@dataclass
class Summary:
    """Numbers of matching deliveries by state, and of those that cannot be sent again by reason."""

    total: int = 0
    #: True if there may be more.
    is_more: bool = False
    states: Counter[DeliveryState] = field(default_factory=Counter)
    skipped: Counter[SkipReason] = field(default_factory=Counter)


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
    summary = Summary()
    for page in islice(find_all(wanted, size=max_counted, before=before), MAX_COUNTED_PAGES):
        summary.total += len(page.found)
        summary.states.update(row.state for row in page.found)
        summary.skipped += _count_skipped(page)
        summary.is_more = page.before is not None
        if summary.total >= max_counted:
            break
    return summary


def _count_skipped(page: Page) -> Counter[SkipReason]:
    """Count the deliveries that cannot be sent again because of their hooks, by reason."""
    per_hook = Counter(row.hook_id for row in page.found)
    hooks = {
        hook.id: hook
        for hook in db.session.execute(
            select(Hook.id, Hook.active, Hook.suspended_at).where(Hook.id.in_(per_hook))
        )
    }
    skipped: Counter[SkipReason] = Counter()
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
        page = find_page(wanted, limit=batch, before=progress.before, columns=("id",))
        result = act([row.id for row in page.found], utc_now())
        progress.changed += result.changed
        progress.skipped += result.skipped
        progress.before = page.before
        yield progress
        if progress.before is None:
            return
