"""Suggested extensions, which the PBX reports or lists: add or dismiss them."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents.enums import Right
from callevents.extensions import db
from callevents.pbxs import pbxs, suggestions
from callevents.web import dialogs
from callevents.web.access import requires
from callevents.web.shown_numbers import shown_to_user
from callevents.web.views.connectors import CONNECTOR_CHANGED
from callevents.web.views.extensions import EXTENSIONS_CHANGED

bp = Blueprint("suggestions", __name__, url_prefix="/pbxs/<slug>/suggestions")

NOTHING_SELECTED = "Nothing selected. Select the numbers first."


@bp.post("/add")
@requires(Right.EDIT_EXTENSIONS)
def add(slug: str) -> Any:
    """Add the selected suggestions, or all, as extensions."""
    numbers = None if "all" in request.form else _selected_numbers()
    pbx = pbxs.get_pbx(slug)
    # Added ones are shown to all: those that the user does not see whole are left to an admin.
    added = suggestions.add_suggestions(
        pbx, numbers, lambda number: shown_to_user(number, pbx) == number
    )
    db.session.commit()
    if numbers == []:
        return _finish(slug, NOTHING_SELECTED)
    if not added:
        return _finish(slug, "Nothing was added: someone else has added or dismissed them.")
    return _finish(slug, f"{_describe(added)} added.")


@bp.post("/dismiss")
@requires(Right.EDIT_EXTENSIONS)
def dismiss(slug: str) -> Any:
    """Dismiss the selected suggestions until the PBX reports a call of them."""
    numbers = _selected_numbers()
    dismissed = suggestions.dismiss_suggestions(pbxs.get_pbx(slug), numbers)
    db.session.commit()
    if not numbers:
        return _finish(slug, NOTHING_SELECTED)
    if not dismissed:
        return _finish(slug, "Nothing was dismissed: someone else has added or dismissed them.")
    return _finish(slug, f"{_describe(dismissed)} dismissed until the next call.")


def _selected_numbers() -> list[str]:
    """Return the number whose button was clicked, else the selected ones."""
    return request.form.getlist("only") or request.form.getlist("number")


def _describe(numbers: list[str]) -> str:
    if len(numbers) == 1:
        return f"{numbers[0]} is"
    return f"{len(numbers):,} extensions are"


def _finish(slug: str, text: str) -> Any:
    url = url_for("extensions.index", slug=slug)
    return dialogs.finish(text, url, EXTENSIONS_CHANGED, CONNECTOR_CHANGED)
