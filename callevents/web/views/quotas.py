"""The quotas of a PBX: show their use, set them."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import pbxs, quotas
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.forms import QuotaForm

bp = Blueprint("quotas", __name__, url_prefix="/pbxs/<slug>/quotas")


@bp.get("")
@requires(Right.SEE_PBX)
def show(slug: str) -> Any:
    """Show the quotas' section of the PBX page."""
    pbx = pbxs.get_pbx(slug)
    if not htmx.is_htmx():
        return redirect(url_for("pbxs.show", slug=slug), code=303)
    return render_template("quotas/_quotas.html", pbx=pbx, usage=quotas.load_usage(pbx))


@bp.route("/edit", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def edit(slug: str) -> Any:
    """Show the form; set the quotas."""
    pbx = pbxs.get_pbx(slug)
    form = QuotaForm(submitted_form(), obj=pbx)
    if request.method == "POST":
        try:
            quotas.set_quotas(pbx, quotas.read_quotas(form.texts()))
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            text = f"The quotas of {pbx.name} are saved."
            return dialogs.finish(
                text, url_for("pbxs.show", slug=slug), "quotas-changed", "tokens-changed"
            )
    return dialogs.show_form("quotas/edit.html", form, pbx=pbx)
