"""Filters of the delivery log, as they are in the query of its URL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import request, url_for

from callevents.db.models import Pbx, first_id, to_id, utc_now
from callevents.delivery.log.filters import Filter, check_origin
from callevents.enums import EventType, ListedState, Right
from callevents.errors import InvalidError, NotFoundError
from callevents.web.access import get_visible_pbx, scope_of

MAX_TEXT_LENGTH = 2000
#: Relative periods, by their value in the URL: label and duration.
PERIODS: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
}
STATES = {
    ListedState.PENDING: "Pending",
    ListedState.WAITING: "Waiting",
    ListedState.SENDING: "Sending",
    ListedState.RETRYING: "Retrying",
    ListedState.HELD: "Held",
    ListedState.DELIVERED: "Delivered",
    ListedState.FAILED: "Failed",
    ListedState.CANCELLED: "Cancelled",
    ListedState.SKIPPED: "Skipped",
}
#: Labels of the filter's fields, in the order of the form; `from` and `to` are in UTC.
LABELS = {
    "pbx": "PBX",
    "ext": "Extension",
    "event": "Event",
    "state": "State",
    "last": "Time",
    "hook": "Event ID",
    "origin": "Receiver",
    "call": "Call",
    "from": "From (UTC)",
    "to": "To (UTC)",
}
#: Rarely used fields, folded by default.
FOLDED_FIELDS = frozenset({"hook", "origin", "call", "from", "to"})


@dataclass(frozen=True)
class DeliveryView:
    """A page of the delivery log: the PBX of the URL, if any, the filter, and where it starts."""

    pbx: Pbx | None
    texts: Mapping[str, str]
    before: str | None = None

    @classmethod
    def from_request(cls, slug: str | None) -> "DeliveryView":
        """Read it from the request, without empty values; raises NotFoundError."""
        values = {name: request.values.get(name, "").strip()[:MAX_TEXT_LENGTH] for name in LABELS}
        texts = {name: text for name, text in values.items() if text}
        if slug is not None:
            texts.pop("pbx", None)
        pbx = get_visible_pbx(slug) if slug is not None else None
        given_id = request.values.get("before", "")
        before = to_id(given_id)
        if given_id and before is None:
            raise NotFoundError("There is no such delivery.")
        return cls(pbx, texts, before)

    @property
    def is_filtered(self) -> bool:
        """True if a filter is set."""
        return bool(self.texts)

    @property
    def may_be_pending(self) -> bool:
        """True if the filter may match pending deliveries, or matches held ones."""
        state = self.texts.get("state", "pending")
        return state in {"pending", "waiting", "retrying", "sending", "held"}

    @property
    def uses_folded_fields(self) -> bool:
        """True if one of the folded fields is set."""
        return not FOLDED_FIELDS.isdisjoint(self.texts)

    def url(self, endpoint: str = "deliveries.index") -> str:
        """Return the URL of this view, or of another endpoint with the same filter."""
        query: dict[str, Any] = {**self.texts, "before": self.before}
        if self.pbx is not None:
            query["slug"] = self.pbx.slug
        else:
            endpoint += "_of_all"
        return url_for(endpoint, **{name: text for name, text in query.items() if text})

    @property
    def unfiltered(self) -> "DeliveryView":
        """The view without a filter, newest first."""
        return DeliveryView(self.pbx, {})

    def frozen(self) -> "DeliveryView":
        """Return the view restricted to what it matches now: a relative period becomes absolute."""
        texts, now = dict(self.texts), utc_now()
        if texts.get("last") in PERIODS:
            since = now - PERIODS[texts.pop("last")][1]
            texts["from"] = since.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return DeliveryView(self.pbx, texts, first_id(now + timedelta(milliseconds=1)))

    def at(self, before: str | None) -> "DeliveryView":
        """Return the view of the page that starts before this ID."""
        return replace(self, before=before)

    def filter(self, right: Right = Right.SEE) -> Filter:
        """Return the filter, of deliveries for which the user has the right.

        Raises InvalidError with an error for each invalid field.
        """
        values, scope = self._values(), scope_of(right)
        since = values.get("from")
        if "last" in values:
            start = utc_now() - values["last"][1]
            since = max(start, since or start)
        return Filter(
            pbx=values.get("pbx", self.pbx),
            state=values.get("state"),
            extension=values.get("ext", ""),
            event_type=values.get("event"),
            hook=values.get("hook", ""),
            origin=values.get("origin", ""),
            call_id=values.get("call", ""),
            since=since,
            until=values.get("to"),
            limit=None if scope.is_all else scope.of_deliveries,
            pbx_ids=None if scope.is_all else scope.pbx_ids | scope.partial_pbx_ids,
        )

    def describe_filter(self) -> list[tuple[str, str]]:
        """Return the labels and values of the fields that are set, as the form shows them."""
        values = self._values()
        return [(LABELS[name], _describe(name, values[name])) for name in values]

    def _values(self) -> dict[str, Any]:
        """Return the parsed values of the fields, in the order of the form; raises InvalidError."""
        values: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name in LABELS:
            if name not in self.texts:
                continue
            try:
                values[name] = _READERS.get(name, str)(self.texts[name])
            except (ValueError, NotFoundError) as error:
                errors[name] = [str(error)]
            except InvalidError as error:
                errors |= error.errors
        if errors:
            raise InvalidError(errors)
        return values


def pick(choices: Mapping[str, Any], text: str) -> Any:
    """Return the choice with that value in the URL; raises ValueError."""
    if text not in choices:
        raise ValueError(f"Invalid choice: {text!r}.")
    return choices[text]


def read_moment(text: str) -> datetime:
    """Parse the value of a `datetime-local` field as UTC; raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"Invalid time {text!r}. Write it like 2026-11-23T10:00, in UTC."
        ) from None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "pbx": get_visible_pbx,
    "event": partial(pick, {event.slug: event for event in EventType}),
    "state": partial(pick, {state.value: state for state in ListedState}),
    "last": partial(pick, PERIODS),
    "origin": check_origin,
    "from": read_moment,
    "to": read_moment,
}


def _describe(name: str, value: Any) -> str:
    """Return a field's value as the form shows it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    words = {"pbx": "name", "event": "label"}
    if name in words:
        return str(getattr(value, words[name]))
    if name == "last":
        return str(value[0])
    return STATES[value] if name == "state" else str(value)
