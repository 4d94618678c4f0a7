"""Numbers that a PBX has reported or lists and nobody has added: add them, or dismiss them."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents.extensions import db
from callevents.pbxs import pbxs, suggestions
from callevents.web import dialogs
from callevents.web.views.connectors import CHANGED as CONNECTOR_CHANGED
from callevents.web.views.extensions import CHANGED

bp = Blueprint("suggestions", __name__, url_prefix="/pbxs/<slug>/suggestions")

NOTHING = "Nothing is selected. Tick the numbers first."


@bp.post("/add")
def add(slug: str) -> Any:
    """Add the chosen numbers, or all that are proposed, as extensions."""
    numbers = None if "all" in request.form else _chosen()
    added = suggestions.add_suggestions(pbxs.get_pbx(slug), numbers)
    db.session.commit()
    if numbers == []:
        return _finish(slug, NOTHING)
    if not added:
        return _finish(slug, "Nothing is added: others were faster.")
    return _finish(slug, f"{_name(added)} added.")


@bp.post("/dismiss")
def dismiss(slug: str) -> Any:
    """Offer the chosen numbers no more, until they are reported."""
    numbers = _chosen()
    suggestions.dismiss_suggestions(pbxs.get_pbx(slug), numbers)
    db.session.commit()
    text = f"{_name(numbers)} dismissed until calls are reported." if numbers else NOTHING
    return _finish(slug, text)


def _chosen() -> list[str]:
    """Return the number whose button was pressed, else those that are ticked."""
    return request.form.getlist("only") or request.form.getlist("number")


def _name(numbers: list[str]) -> str:
    if len(numbers) == 1:
        return f"{numbers[0]} is"
    return f"{len(numbers):,} extensions are"


def _finish(slug: str, text: str) -> Any:
    url = url_for("extensions.index", slug=slug)
    return dialogs.finish(text, url, CHANGED, CONNECTOR_CHANGED)
