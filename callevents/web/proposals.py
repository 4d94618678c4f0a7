"""Numbers that a PBX has reported and nobody has added: add them, or dismiss them."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents import directory, pbxs
from callevents.extensions import db
from callevents.web import dialogs
from callevents.web.extensions import CHANGED

bp = Blueprint("proposals", __name__, url_prefix="/pbxs/<slug>/proposals")


@bp.post("/add")
def add(slug: str) -> Any:
    """Add a reported number as an extension."""
    extension = directory.add_extension(pbxs.get_pbx(slug), request.form.get("number", ""))
    db.session.commit()
    return _finish(slug, f"{extension.number} is added.")


@bp.post("/dismiss")
def dismiss(slug: str) -> Any:
    """Offer a reported number no more, until it is reported again."""
    number = request.form.get("number", "")
    directory.dismiss_proposal(pbxs.get_pbx(slug), number)
    db.session.commit()
    return _finish(slug, f"{number} is dismissed until it is reported again.")


def _finish(slug: str, text: str) -> Any:
    return dialogs.finish(text, url_for("extensions.index", slug=slug), CHANGED)
