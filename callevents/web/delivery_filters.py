"""Which part of the log is looked at, as the query of its address has it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import request, url_for

from callevents.db.models import Pbx, first_id, to_id, utc_now
from callevents.delivery.log.filters import Filter, check_origin
from callevents.enums import EventType, ListedState
from callevents.errors import InvalidError, NotFoundError
from callevents.pbxs import pbxs

MAX_TEXT_LENGTH = 2000
#: The quick choices of a time, by what stands for them in the address.
PERIODS: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
}
STATES = {
    ListedState.PENDING: "Not finished",
    ListedState.WAITING: "Waiting",
    ListedState.SENDING: "Sending",
    ListedState.RETRYING: "Retrying",
    ListedState.DELIVERED: "Delivered",
    ListedState.FAILED: "Failed",
    ListedState.CANCELLED: "Cancelled",
}
#: What the form has, in its order; `from` and `to` are in UTC.
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
#: Filters that are seldom wanted, and so folded away.
FOLDED_FIELDS = frozenset({"hook", "origin", "call", "from", "to"})


@dataclass(frozen=True)
class DeliveryView:
    """What a page of the log shows: of one PBX if its address says so, and what the query says."""

    pbx: Pbx | None
    texts: Mapping[str, str]
    before: str | None = None

    @classmethod
    def from_request(cls, slug: str | None) -> "DeliveryView":
        """Read it from the request; empty texts count as nothing. Raises NotFoundError."""
        given = {name: request.values.get(name, "").strip()[:MAX_TEXT_LENGTH] for name in LABELS}
        texts = {name: text for name, text in given.items() if text}
        if slug is not None:
            texts.pop("pbx", None)
        pbx = pbxs.get_pbx(slug) if slug is not None else None
        given_id = request.values.get("before", "")
        before = to_id(given_id)
        if given_id and before is None:
            raise NotFoundError("There is no such delivery.")
        return cls(pbx, texts, before)

    @property
    def is_filtered(self) -> bool:
        """Whether anything is said beside the address."""
        return bool(self.texts)

    @property
    def may_be_pending(self) -> bool:
        """Whether some of what is shown may still wait."""
        return self.texts.get("state", "pending") in {"pending", "waiting", "retrying", "sending"}

    @property
    def uses_folded_fields(self) -> bool:
        """Whether one of the folded filters is used."""
        return not FOLDED_FIELDS.isdisjoint(self.texts)

    def url(self, endpoint: str = "deliveries.index") -> str:
        """Return the address of this view, or that of another page about the same deliveries."""
        query: dict[str, Any] = {**self.texts, "before": self.before}
        if self.pbx is not None:
            query["slug"] = self.pbx.slug
        else:
            endpoint += "_of_all"
        return url_for(endpoint, **{name: text for name, text in query.items() if text})

    @property
    def unfiltered(self) -> "DeliveryView":
        """The view of all, newest first."""
        return DeliveryView(self.pbx, {})

    def frozen(self) -> "DeliveryView":
        """Return the view of what there is now: nothing that comes later, nothing that gets old."""
        texts, now = dict(self.texts), utc_now()
        if texts.get("last") in PERIODS:
            since = now - PERIODS[texts.pop("last")][1]
            texts["from"] = since.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return DeliveryView(self.pbx, texts, first_id(now + timedelta(milliseconds=1)))

    def at(self, before: str | None) -> "DeliveryView":
        """Return the view of another page."""
        return replace(self, before=before)

    def filter(self) -> Filter:
        """Return what is looked for; raises InvalidError about every field that makes no sense."""
        values = self._values()
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
        )

    def describe_filter(self) -> list[tuple[str, str]]:
        """Return the names and values of the filter's fields in the words that the form has."""
        values = self._values()
        return [(LABELS[name], _describe(name, values[name])) for name in values]

    def _values(self) -> dict[str, Any]:
        """Return what each text stands for, in the order of the form; raises InvalidError."""
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


def _pick(choices: Mapping[str, Any], text: str) -> Any:
    if text not in choices:
        raise ValueError(f"There is no {text!r} to choose here.")
    return choices[text]


def _read_moment(text: str) -> datetime:
    """Return the time in UTC, as the browser's field for it writes it; raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time. Write it like 2026-11-23T10:00, in UTC.") from None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "pbx": pbxs.get_pbx,
    "event": partial(_pick, {event.slug: event for event in EventType}),
    "state": partial(_pick, {state.value: state for state in ListedState}),
    "last": partial(_pick, PERIODS),
    "origin": check_origin,
    "from": _read_moment,
    "to": _read_moment,
}


def _describe(name: str, value: Any) -> str:
    """Return a field's value in the words that people choose it by."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    words = {"pbx": "name", "event": "label"}
    if name in words:
        return str(getattr(value, words[name]))
    if name == "last":
        return str(value[0])
    return STATES[value] if name == "state" else str(value)
