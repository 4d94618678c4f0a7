"""A list of events: filter, order, page and fields, from the query of the request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from callevents.api.uapi.authentication import TOKEN_PARAMETER
from callevents.api.uapi.errors import UapiError
from callevents.api.uapi.fields import FIELDS, Event, to_text

DEFAULT_COUNT = 20
MAX_COUNT = 5000
MAX_START = 5000
FILTER_FIELDS = ("id", "method", "modified", "note", "status", "type", "url")
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "equals": str.__eq__,
    "contains": str.__contains__,
    "startsWith": str.startswith,
}
ORDERS = ("ascending", "descending")

Query = MultiDict[str, str]


@dataclass(frozen=True)
class Listing:
    """What the query asks for."""

    query: Query
    count: int
    start: int
    is_wanted: Callable[[Event], bool]
    #: Names of fields; empty: all.
    fields: Sequence[str]
    is_descending: bool

    @classmethod
    def read(cls, query: Query) -> "Listing":
        """Return what the query asks for; raises UapiError. Unknown parameters are ignored."""
        return cls(
            query,
            _read_number(query, "count", DEFAULT_COUNT, 1, MAX_COUNT),
            _read_number(query, "startIndex", 0, 0, MAX_START),
            _read_filter(query),
            _read_fields(query),
            _read_order(query),
        )

    @property
    def shows_urls(self) -> bool:
        """True if the URLs of the events are in the answer."""
        return not self.fields or "url" in self.fields

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return all that match, in order, with all their fields."""
        found = filter(self.is_wanted, events)
        return sorted(found, key=_order, reverse=self.is_descending)

    def on_page(self, found: Sequence[Event]) -> Sequence[Event]:
        """Return the events of the page, of all that match."""
        return found[self.start : self.start + self.count]

    def answer(self, found: Sequence[Event], url: str) -> dict[str, Any]:
        """Return the answer for all that match; `url` is that of the list, without a query."""
        page = self.on_page(found)
        names = self.fields or FIELDS
        return {
            "entry": [{name: event[name] for name in names} for event in page],
            "startIndex": self.start,
            "itemsPerPage": self.count,
            "totalResults": len(found),
            "paging": self._find_pages(len(found), url),
        }

    def _find_pages(self, total: int, url: str) -> dict[str, str]:
        """Return the URLs of the next and the previous page, where they exist."""
        pages = {}
        if self.start + self.count < min(total, MAX_START + 1):
            pages["next"] = self._link(url, self.start + self.count)
        if self.start:
            pages["prev"] = self._link(url, max(0, min(self.start, total) - self.count))
        return pages

    def _link(self, url: str, start: int) -> str:
        left_out = {TOKEN_PARAMETER, "count", "startIndex"}
        kept = [pair for pair in self.query.items(multi=True) if pair[0] not in left_out]
        return f"{url}?{urlencode([('count', self.count), ('startIndex', start), *kept])}"


def _order(event: Event) -> tuple[str, str]:
    return event["url"], event["id"]


def _read_number(query: Query, name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    # Longer texts are no numbers in the range, and int() refuses very long ones.
    is_number = text.isascii() and text.isdecimal() and len(text) <= 9
    if not is_number or not least <= int(text) <= most:
        code = f"{name.lower()}_invalid"
        raise UapiError(code, f"{name} must be a number between {least} and {most:,}.")
    return int(text)


def _read_filter(query: Query) -> Callable[[Event], bool]:
    name, value, operator = (query.get(one) for one in ("filterBy", "filterValue", "filterOp"))
    if operator is not None and operator not in OPERATORS:
        raise UapiError("filterop_invalid", f"filterOp must be one of {', '.join(OPERATORS)}.")
    if name is None and value is None:
        return lambda _event: True
    if name not in FILTER_FIELDS:
        raise UapiError("filterby_invalid", f"filterBy must be one of {', '.join(FILTER_FIELDS)}.")
    if value is None:
        raise UapiError("filtervalue_invalid", "filterBy needs a filterValue.")
    wanted = _read_moment(value) if name == "modified" else value
    matches = OPERATORS[operator or "equals"]
    return lambda event: matches(event[name], wanted)


def _read_moment(text: str) -> str:
    """Return a moment as events show it; a part of one stays as it is.

    A plus that is not percent-encoded arrives as a blank.
    """
    text = text.replace(" ", "+")
    try:
        moment = datetime.fromisoformat(text)
        return to_text(moment.astimezone(UTC)) if moment.tzinfo else text
    except (ValueError, OverflowError):
        return text


def _read_fields(query: Query) -> Sequence[str]:
    given = query.get("fields")
    if given is None:
        return ()
    names = {name.strip() for name in given.split(",")}
    if not names <= set(FIELDS):
        raise UapiError("fields_invalid", f"The fields of an event are {', '.join(FIELDS)}.")
    return [name for name in FIELDS if name in names]


def _read_order(query: Query) -> bool:
    # VoipNow's own client writes it wrong.
    order = query.get("sortOrder", query.get("sortOder", ORDERS[0]))
    if order not in ORDERS:
        raise UapiError("sortorder_invalid", f"sortOrder must be {' or '.join(ORDERS)}.")
    return order == ORDERS[1]
