"""Filters of the page 'Activity', as they are in the query of its URL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import request, url_for

from callevents.audit.actions import Action
from callevents.audit.queries import Filter, read_object
from callevents.db.models import to_id, utc_now
from callevents.enums import Right
from callevents.errors import InvalidError, NotFoundError
from callevents.web.access import get_visible_pbx, scope_of
from callevents.web.delivery_filters import pick, read_moment

MAX_TEXT_LENGTH = 300
#: Relative periods, by their value in the URL: label and duration.
PERIODS: dict[str, tuple[str, timedelta]] = {
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
#: Labels of the filter's fields, in the order of the form; `from` and `to` are in UTC.
LABELS = {
    "who": "Person",
    "pbx": "PBX",
    "action": "Action",
    "object": "Object",
    "last": "Time",
    "from": "From (UTC)",
    "to": "To (UTC)",
}
FOLDED_FIELDS = frozenset({"from", "to"})
#: In the query, the ID of a PBX that has been removed follows it.
REMOVED_PBX = "#"


@dataclass(frozen=True)
class ActivityView:
    """A page of the history: the filter, and where the page starts."""

    texts: Mapping[str, str]
    before: str | None = None

    @classmethod
    def from_request(cls) -> "ActivityView":
        """Read it from the request, without empty values; raises NotFoundError."""
        values = {name: request.args.get(name, "").strip()[:MAX_TEXT_LENGTH] for name in LABELS}
        given_id = request.args.get("before", "")
        before = to_id(given_id)
        if given_id and before is None:
            raise NotFoundError("There is no such entry.")
        return cls({name: text for name, text in values.items() if text}, before)

    @property
    def uses_folded_fields(self) -> bool:
        """True if one of the folded fields is set."""
        return not FOLDED_FIELDS.isdisjoint(self.texts)

    def url(self, before: str | None = None) -> str:
        """Return the URL of the page with this filter that starts before the entry."""
        query = {**self.texts, **({"before": before} if before else {})}
        return url_for("activity.index", **query)  # type: ignore[arg-type]  # names of fields only

    def filter(self) -> Filter:
        """Return the filter; raises InvalidError with an error for each invalid field."""
        values: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name, text in self.texts.items():
            try:
                values[name] = _READERS.get(name, str)(text)
            except (ValueError, NotFoundError) as error:
                errors[name] = [str(error)]
        if errors:
            raise InvalidError(errors)
        since: datetime | None = values.get("from")
        if "last" in values:
            start = utc_now() - values["last"][1]
            since = max(start, since or start)
        kind, object_id = values.get("object", ("", ""))
        scope = scope_of(Right.MANAGE)
        return Filter(
            who=values.get("who", ""),
            pbx_id=values.get("pbx"),
            pbx_ids=None if scope.is_all else scope.pbx_ids,
            action=values.get("action", ""),
            object_kind=kind,
            object_id=object_id,
            since=since,
            until=values.get("to"),
        )


def _read_pbx(text: str) -> int:
    number = text.removeprefix(REMOVED_PBX)
    if text != number and number.isascii() and number.isdigit() and len(number) < 10:
        return int(number)
    return get_visible_pbx(text, Right.MANAGE).id


_READERS: Mapping[str, Callable[[str], Any]] = {
    "pbx": _read_pbx,
    "action": partial(pick, {action.value: action for action in Action}),
    "object": read_object,
    "last": partial(pick, PERIODS),
    "from": read_moment,
    "to": read_moment,
}
