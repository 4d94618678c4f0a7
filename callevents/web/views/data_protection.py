"""The data protection of a PBX: how long events are kept, who sees whole numbers."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from wtforms import BooleanField, StringField

from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import app_state, db
from callevents.pbxs import pbxs
from callevents.pbxs.data_protection import read_days, set_data_protection
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.forms import BaseForm

bp = Blueprint("data_protection", __name__, url_prefix="/pbxs/<slug>/data-protection")


class DataProtectionForm(BaseForm):
    """An empty retention is that of the settings."""

    retention_days = StringField("Keep call events for days")
    hides_numbers = BooleanField("Show whole phone numbers only to admins")


def general_retention() -> int:
    """Return the retention of the settings, in days; 0: for ever."""
    return app_state().settings.retention_days


@bp.get("")
@requires(Right.SEE_PBX)
def show(slug: str) -> Any:
    """Show the section of the PBX page."""
    pbx = pbxs.get_pbx(slug)
    if not htmx.is_htmx():
        return redirect(url_for("pbxs.show", slug=slug), code=303)
    return render_template(
        "data_protection/_data_protection.html", pbx=pbx, general_retention=general_retention()
    )


@bp.route("/edit", methods=["GET", "POST"])
@requires(Right.MANAGE)
def edit(slug: str) -> Any:
    """Show the form; store it."""
    pbx = pbxs.get_pbx(slug)
    form = DataProtectionForm(submitted_form(), obj=pbx)
    if request.method == "POST":
        try:
            set_data_protection(
                pbx,
                retention_days=read_days(form.retention_days.data or ""),
                hides_numbers=bool(form.hides_numbers.data),
            )
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            text = f"The data protection of {pbx.name} is saved."
            where = url_for("pbxs.show", slug=slug)
            return dialogs.finish(text, where, "data-protection-changed")
    return dialogs.show_form(
        "data_protection/edit.html",
        form,
        pbx=pbx,
        general_retention=general_retention(),
    )
