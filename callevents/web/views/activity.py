"""The page 'Activity': the history, newest first, with filters."""

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Blueprint, render_template

from callevents.audit.actions import Action, label_of
from callevents.audit.many import EVENT_IDS
from callevents.audit.queries import Page, find_page
from callevents.db.models import AuditEntry, Pbx
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.pbxs import pbxs
from callevents.web import htmx
from callevents.web.access import requires_somewhere, scope_of
from callevents.web.activity_filters import LABELS, PERIODS, REMOVED_PBX, ActivityView

bp = Blueprint("activity", __name__, url_prefix="/activity")

PAGE_SIZE = 50


@bp.get("")
@requires_somewhere(Right.MANAGE)
def index() -> str:
    """List what was done."""
    view = ActivityView.from_request()
    problems: dict[str, list[str]] = {}
    try:
        page = find_page(view.filter(), limit=PAGE_SIZE, before=view.before)
    except InvalidError as error:
        page, problems = Page([]), error.errors
    is_filtering = htmx.is_requested_by("filter")
    if is_filtering:
        # Without empty fields.
        htmx.replace_url(view.url())
    return render_template(
        "activity/_list.html" if htmx.is_htmx() else "activity/index.html",
        view=view,
        page=page,
        problems=problems,
        is_filtering=is_filtering,
        pbx_names={pbx.id: pbx for pbx in pbxs.list_pbxs(scope_of(Right.MANAGE))},
        find_pbx_filter=find_pbx_filter,
        list_changes=lambda entry: list(list_changes(entry)),
        label_of=label_of,
        Action=Action,
        LABELS=LABELS,
        PERIODS=PERIODS,
    )


def find_pbx_filter(pbx_id: int, known: dict[int, Pbx]) -> str:
    """Return the value of the PBX's filter, also of one that has been removed."""
    return known[pbx_id].slug if pbx_id in known else f"{REMOVED_PBX}{pbx_id}"


def list_changes(entry: AuditEntry) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the old and the new value of what differs, as text."""
    for name in {**entry.before, **entry.after}:
        if name == EVENT_IDS:
            # They are there to be found, and too many to read.
            continue
        shown = (name.replace("_", " "), _to_text(entry.before.get(name)))
        yield *shown, _to_text(entry.after.get(name))


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_to_text(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_to_text, value))
    return "" if value is None else str(value)
