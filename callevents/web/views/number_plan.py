"""The number plan of a PBX: its country, and how numbers are dialed there."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from wtforms import StringField

from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.pbxs.number_plan import describe, set_number_plan
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.forms import BaseForm

bp = Blueprint("number_plan", __name__, url_prefix="/pbxs/<slug>/number-plan")


class NumberPlanForm(BaseForm):
    """All fields may be empty."""

    country = StringField("Country")
    outside_prefix = StringField("Prefix for outside numbers")
    trunk_prefix = StringField("Prefix that trunks add")
    internal_lengths = StringField("Lengths of internal numbers")


@bp.get("")
@requires(Right.SEE_PBX)
def show(slug: str) -> Any:
    """Show the section of the PBX page."""
    pbx = pbxs.get_pbx(slug)
    if not htmx.is_htmx():
        return redirect(url_for("pbxs.show", slug=slug), code=303)
    return render_template("number_plan/_number_plan.html", pbx=pbx, number_plan_text=describe(pbx))


@bp.route("/edit", methods=["GET", "POST"])
@requires(Right.MANAGE)
def edit(slug: str) -> Any:
    """Show the form; store it."""
    pbx = pbxs.get_pbx(slug)
    form = NumberPlanForm(submitted_form(), obj=pbx)
    if request.method == "POST":
        try:
            set_number_plan(
                pbx,
                country=form.country.data or "",
                outside_prefix=form.outside_prefix.data or "",
                trunk_prefix=form.trunk_prefix.data or "",
                internal_lengths=form.internal_lengths.data or "",
            )
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            text = f"The number plan of {pbx.name} is saved."
            where = url_for("pbxs.show", slug=slug)
            return dialogs.finish(text, where, "number-plan-changed")
    return dialogs.show_form("number_plan/edit.html", form, pbx=pbx)
