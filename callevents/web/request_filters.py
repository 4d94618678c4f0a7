"""The page of requests: its filter, as it is in the query of its URL, and what is selected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import request, url_for

from callevents.db.models import Pbx
from callevents.enums import Right
from callevents.hooks.selection import HookWhere, Selection
from callevents.hooks.where import FIELDS, read_where
from callevents.web.access import get_visible_pbx, scope_of

MAX_TEXT_LENGTH = 2000
MAX_ID = 2**31


@dataclass(frozen=True)
class RequestView:
    """A page of the list of requests: the PBX of the URL, if any, the filter, where it starts."""

    pbx: Pbx | None
    texts: Mapping[str, str]
    before: int | None = None
    #: Changes before this moment are not offered to be undone. A page that is opened has none.
    undo_since: datetime | None = None

    @classmethod
    def from_request(cls, slug: str | None) -> "RequestView":
        """Read it from the request, without empty values; raises NotFoundError."""
        values = {name: request.values.get(name, "").strip()[:MAX_TEXT_LENGTH] for name in FIELDS}
        texts = {name: text for name, text in values.items() if text}
        if slug is not None:
            texts.pop("pbx", None)
        before = request.values.get("before", type=int)
        is_id = before is not None and 0 < before < MAX_ID
        pbx = get_visible_pbx(slug) if slug is not None else None
        return cls(pbx, texts, before if is_id else None, _read_moment("undo_since"))

    @property
    def is_filtered(self) -> bool:
        """True if a filter is set."""
        return bool(self.texts)

    @property
    def right(self) -> Right:
        """What the user needs for the requests that match.

        Only those who may see whole URLs may search in them: otherwise their secrets could be
        guessed, character by character.
        """
        return Right.EDIT if "url" in self.texts else Right.SEE

    def where(self, right: Right | None = None) -> HookWhere:
        """Return the filter; raises InvalidError with an error for each invalid field."""
        scope = scope_of(right or self.right)
        where = read_where(self.texts, scope, get_visible_pbx)
        return where if self.pbx is None else replace(where, pbx=self.pbx)

    def selection(self) -> Selection:
        """Return the requests that the submitted form selects; raises InvalidError."""
        scope = scope_of(Right.EDIT)
        if request.values.get("all") == "yes":
            return Selection(self.where(Right.EDIT), scope)
        # What is ticked stays chosen, also if it does not match the filter any more.
        chosen = frozenset(request.values.getlist("event_id"))
        return Selection(HookWhere(self.pbx), scope, chosen)

    def at(self, before: int | None) -> "RequestView":
        """Return the view of the page that starts before this ID."""
        return replace(self, before=before)

    @property
    def unfiltered(self) -> "RequestView":
        """The view without a filter, newest first."""
        return RequestView(self.pbx, {})

    def url(self, endpoint: str = "requests.index") -> str:
        """Return the URL of this view, or of another endpoint with the same filter."""
        return self._url(endpoint, self._query())

    def url_since(self, moment: datetime) -> str:
        """Return the URL of this view, with Undo only for what changes from this moment on."""
        return self._url("requests.index", {**self._query(), "undo_since": moment.isoformat()})

    def bare_url(self, endpoint: str) -> str:
        """Return the URL of another endpoint, without the filter, for forms that send it."""
        return self._url(endpoint, {})

    def _query(self) -> dict[str, Any]:
        query: dict[str, Any] = {**self.texts, "before": self.before}
        return {name: value for name, value in query.items() if value}

    def _url(self, endpoint: str, query: Mapping[str, Any]) -> str:
        if self.pbx is None:
            return url_for(f"{endpoint}_of_all", **query)
        return url_for(endpoint, slug=self.pbx.slug, **query)


def _read_moment(name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(request.values.get(name, ""))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
