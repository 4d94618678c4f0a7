"""What the pages about call events show: the table's rows, and the request of an example call."""

from collections.abc import Sequence
from dataclasses import dataclass

from callevents import hooks
from callevents.delivery import log
from callevents.delivery.recipe import example_parameters
from callevents.delivery.request import Recipe, build_request
from callevents.enums import TABLE_ORDER, EventType, Method
from callevents.errors import InvalidError
from callevents.forms import HookForm
from callevents.models import Delivery, Extension, Hook, Pbx, utc_now
from callevents.urls import check_url
from callevents.web.addresses import place_of

#: The extension of an example call where the request is for all of them.
EXAMPLE_NUMBER = "101"


@dataclass(frozen=True)
class Row:
    """A row of the table: a hook, or an event type that has none."""

    event_type: EventType
    hook: Hook | None
    #: Counts from 1 within the event type.
    position: int
    last: Delivery | None


@dataclass(frozen=True)
class Table:
    """The table of call events, and how many requests of all extensions are made as well."""

    rows: Sequence[Row]
    also: dict[EventType, int]

    @property
    def suspended(self) -> int:
        """How many of the requests are suspended."""
        return sum(row.hook is not None and row.hook.suspended_at is not None for row in self.rows)

    def find_row(self, hook: Hook) -> Row:
        """Return the hook's row; the hook is in the table."""
        return next(row for row in self.rows if row.hook is hook)


@dataclass(frozen=True)
class Target:
    """What a dialog is about: an event type of an extension, or of all, and a hook if it exists."""

    pbx: Pbx
    extension: Extension | None
    event_type: EventType
    hook: Hook | None = None

    @property
    def place(self) -> str:
        """What stands for the extension in addresses."""
        return place_of(self.extension)

    @property
    def number(self) -> str:
        """The extension of an example call."""
        return self.extension.number if self.extension else EXAMPLE_NUMBER


@dataclass(frozen=True)
class Example:
    """The request for an example call as text, or the sentence why there is none."""

    text: str = ""
    problem: str = ""
    #: An international host name as people write it and as it is sent; empty for others.
    host: str = ""
    wire_host: str = ""


def load_table(pbx: Pbx, extension: Extension | None) -> Table:
    """Return the table of an extension, or of all extensions for None."""
    own = hooks.list_hooks(pbx, extension)
    last = log.last_deliveries(own)
    rows = []
    for event_type in TABLE_ORDER:
        same: list[Hook | None] = [hook for hook in own if hook.event_type is event_type]
        for position, hook in enumerate(same or [None], start=1):
            rows.append(Row(event_type, hook, position, last.get(hook.id) if hook else None))
    return Table(rows, hooks.count_active_of_all(pbx) if extension else {})


def example_request(form: HookForm, target: Target) -> Example:
    """Return the very request that the form's values would make for an example call."""
    if not (form.url.data or "").strip():
        return Example()
    try:
        url = check_url(form.url.data or "")
    except InvalidError as error:
        return Example(problem=str(error))
    method = Method.POST if form.method.data == Method.POST else Method.GET
    values = example_parameters(
        target.event_type,
        pbx_slug=target.pbx.slug,
        extension=target.number,
        event_id=target.hook.event_id if target.hook else "",
    )
    request = build_request(Recipe(method, url.url), values)
    text = request.as_text(utc_now())
    if url.display_host == url.host:
        return Example(text)
    return Example(text, host=url.display_host, wire_host=url.host)
