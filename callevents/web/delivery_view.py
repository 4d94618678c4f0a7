"""Which part of the log is looked at, as the query of its address has it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request, url_for

from callevents import pbxs
from callevents.delivery.filters import Filter
from callevents.enums import EventType, ListedState
from callevents.errors import InvalidError, NotFoundError
from callevents.models import Pbx, first_id, to_id, utc_now

LONGEST = 2000
#: The quick choices of a time, by what stands for them in the address.
PERIODS: dict[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
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
SELDOM = frozenset({"hook", "origin", "call", "from", "to"})


@dataclass(frozen=True)
class View:
    """What a page of the log shows: of one PBX if its address says so, and what the query says."""

    pbx: Pbx | None
    texts: Mapping[str, str]
    before: str | None = None

    @classmethod
    def of_request(cls, slug: str | None) -> "View":
        """Read it from the request; empty texts count as nothing. Raises NotFoundError."""
        given = {name: request.values.get(name, "").strip()[:LONGEST] for name in LABELS}
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
    def may_wait(self) -> bool:
        """Whether some of what is shown may still wait."""
        return self.texts.get("state", "pending") in {"pending", "waiting", "retrying", "sending"}

    @property
    def has_seldom(self) -> bool:
        """Whether one of the folded filters is used."""
        return not SELDOM.isdisjoint(self.texts)

    def url(self, endpoint: str = "deliveries.index") -> str:
        """Return the address of this view, or that of another page about the same deliveries."""
        query: dict[str, Any] = {**self.texts, "before": self.before}
        if self.pbx is not None:
            query["slug"] = self.pbx.slug
        else:
            endpoint += "_of_all"
        return url_for(endpoint, **{name: text for name, text in query.items() if text})

    @property
    def plain(self) -> "View":
        """The view of all, newest first."""
        return View(self.pbx, {})

    def fixed(self) -> "View":
        """Return the view of what there is now: nothing that comes later, nothing that gets old."""
        texts, now = dict(self.texts), utc_now()
        if texts.get("last") in PERIODS:
            since = now - PERIODS[texts.pop("last")][1]
            texts["from"] = since.replace(tzinfo=None).isoformat(timespec="milliseconds")
        return View(self.pbx, texts, first_id(now + timedelta(milliseconds=1)))

    def at(self, before: str | None) -> "View":
        """Return the view of another page."""
        return replace(self, before=before)

    def filter(self) -> Filter:
        """Return what is looked for; raises InvalidError or NotFoundError about what is none."""
        texts = self.texts
        since, until = _moment(texts, "from"), _moment(texts, "to")
        if period := _choice(texts, "last", PERIODS):
            start = utc_now() - period[1]
            since = max(start, since or start)
        events = {event.slug: event for event in EventType}
        states = {state.value: state for state in ListedState}
        return Filter(
            pbx=pbxs.get_pbx(texts["pbx"]) if "pbx" in texts else self.pbx,
            state=_choice(texts, "state", states),
            extension=texts.get("ext", ""),
            event_type=_choice(texts, "event", events),
            hook=texts.get("hook", ""),
            origin=texts.get("origin", ""),
            call_id=texts.get("call", ""),
            since=since,
            until=until,
        )


def _choice(texts: Mapping[str, str], name: str, choices: Mapping[str, Any]) -> Any:
    """Return what the text stands for, None if there is none; raises InvalidError."""
    if name not in texts:
        return None
    if texts[name] not in choices:
        raise InvalidError.of(name, f"There is no {texts[name]!r} to choose here.")
    return choices[texts[name]]


def _moment(texts: Mapping[str, str], name: str) -> datetime | None:
    """Return the time in UTC, as the browser's field for it writes it; raises InvalidError."""
    if name not in texts:
        return None
    try:
        moment = datetime.fromisoformat(texts[name])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = f"{texts[name]!r} is no time. Write it like 2026-11-23T10:00, in UTC."
        raise InvalidError.of(name, sentence) from None
