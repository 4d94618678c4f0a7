"""Remove a PBX, after its name has been typed."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import pbxs, removal
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.forms import ConfirmationForm

bp = Blueprint("removal", __name__, url_prefix="/pbxs/<slug>/remove")


@bp.route("", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def confirm(slug: str) -> Any:
    """Show what is removed with the PBX; begin to remove it."""
    pbx = pbxs.get_pbx(slug)
    name = pbx.name
    form = ConfirmationForm(submitted_form())
    if request.method == "POST":
        try:
            removal.begin_removal(pbx, form.slug.data or "")
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            return htmx.redirect_to(url_for("pbxs.index"), f"{name} is being removed.")
    return dialogs.show_form(
        "removal/confirm.html",
        form,
        pbx=pbx,
        contents=removal.count_contents(pbx),
        max_count=removal.MAX_COUNT,
    )
