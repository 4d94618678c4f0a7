"""Does something to all deliveries that match a filter: how many they are, and batch by batch."""

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
from callevents.delivery.log.resend import Done, Refusal, find_hook_refusal
from callevents.enums import DeliveryState
from callevents.extensions import db

#: Deliveries changed in one transaction.
BATCH = 500
#: Nobody needs to know exactly how many more than these there are.
COUNT_LIMIT = 10_000
#: Nor may counting take long where little matches.
COUNT_PAGES = 10

Act = Callable[[Collection[str], datetime], Done]


@dataclass
class Summary:
    """How many deliveries match, by their state, and how many could not be sent again, and why."""

    total: int = 0
    #: Whether there may be more.
    is_more: bool = False
    states: Counter[DeliveryState] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)


@dataclass
class Progress:
    """What has been done so far; with `before` it can be gone on with, None if all is done."""

    changed: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    before: str | None = None

    @property
    def seen(self) -> int:
        """How many deliveries have been looked at."""
        return self.changed + self.refused.total()


def summarise(wanted: Filter, before: str | None = None) -> Summary:
    """Count what matches, up to COUNT_LIMIT; raises InvalidError."""
    summary = Summary()
    for page in islice(find_all(wanted, size=COUNT_LIMIT, before=before), COUNT_PAGES):
        summary.total += len(page.found)
        summary.states.update(row.state for row in page.found)
        summary.refused += _count_refused(page)
        summary.is_more = page.before is not None
        if summary.total >= COUNT_LIMIT:
            break
    return summary


def _count_refused(page: Page) -> Counter[Refusal]:
    """Return how many could not be sent again because of their hooks."""
    per_hook = Counter(row.hook_id for row in page.found)
    hooks = {
        hook.id: hook
        for hook in db.session.execute(
            select(Hook.id, Hook.active, Hook.suspended_at).where(Hook.id.in_(per_hook))
        )
    }
    refused: Counter[Refusal] = Counter()
    for hook_id, count in per_hook.items():
        if refusal := find_hook_refusal(hooks.get(hook_id)):
            refused[refusal] += count
    return refused


def act_on_all(act: Act, wanted: Filter, before: str | None = None) -> Iterator[Progress]:
    """Do it to all that match, from the newest to the oldest; yield after each batch.

    The caller commits then. Nothing is met twice, although what is done may change what matches.
    Raises InvalidError.
    """
    progress = Progress(before=before)
    while True:
        begin_write()
        page = find_page(wanted, limit=BATCH, before=progress.before, columns=("id",))
        done = act([row.id for row in page.found], utc_now())
        progress.changed += done.changed
        progress.refused += done.refused
        progress.before = page.before
        yield progress
        if progress.before is None:
            return
