"""The table of an extension's call events, and the target of a hook's dialog."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from callevents.db.models import Delivery, Extension, Hook, Pbx, Receiver
from callevents.delivery.log import queries
from callevents.enums import TABLE_ORDER, EventType
from callevents.hooks import queries as hooks_queries
from callevents.hooks.left_out import explain_left_out
from callevents.hooks.preview import EXAMPLE_EXTENSION
from callevents.hooks.receiver import find_receiver
from callevents.web.url_converters import place_of


@dataclass(frozen=True)
class Row:
    """A row of the table: a hook, or an event type without one."""

    event_type: EventType
    hook: Hook | None
    #: Counts from 1 within the event type.
    position: int
    last: Delivery | None


@dataclass(frozen=True)
class Table:
    """The table of call events of one extension, or of all."""

    rows: Sequence[Row]
    #: Number of active hooks for all extensions, which are sent too.
    all_extensions_counts: dict[EventType, int]

    @property
    def suspended(self) -> int:
        """The number of suspended requests."""
        return sum(row.hook is not None and row.hook.suspended_at is not None for row in self.rows)

    def find_row(self, hook: Hook) -> Row:
        """Return the row of a hook in the table."""
        return next(row for row in self.rows if row.hook is hook)


@dataclass(frozen=True)
class Target:
    """The target of a dialog: an event type of one extension or of all, and its hook if stored."""

    pbx: Pbx
    extension: Extension | None
    event_type: EventType
    hook: Hook | None = None

    @property
    def place(self) -> str:
        """The extension's part of URLs: its ID, or `all`."""
        return place_of(self.extension)

    @cached_property
    def needs(self) -> str:
        """Which secret to enter, and where; empty if none was left out of an import."""
        return explain_left_out(self.hook) if self.hook else ""

    @property
    def receiver(self) -> Receiver | None:
        """The receiver of the hook, if it has one."""
        return find_receiver(self.hook) if self.hook else None

    @property
    def number(self) -> str:
        """The extension number of the example call."""
        return self.extension.number if self.extension else EXAMPLE_EXTENSION


def load_table(pbx: Pbx, extension: Extension | None) -> Table:
    """Return the table of an extension, or of all extensions for None."""
    own = hooks_queries.list_hooks(pbx, extension)
    last = queries.last_deliveries(own)
    rows = []
    for event_type in TABLE_ORDER:
        same: list[Hook | None] = [hook for hook in own if hook.event_type is event_type]
        for position, hook in enumerate(same or [None], start=1):
            rows.append(Row(event_type, hook, position, last.get(hook.id) if hook else None))
    return Table(rows, hooks_queries.count_active_for_all_extensions(pbx) if extension else {})
