"""PBXs: list, add, show, rename."""

from typing import Any

from flask import Blueprint, render_template, request, url_for

from callevents.enums import Format, Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import extensions, number_plan, pbxs, quotas, removal, tokens
from callevents.web import dialogs, htmx
from callevents.web.access import requires, requires_somewhere, scope_of
from callevents.web.dialogs import submitted_form
from callevents.web.forms import NameForm, PbxForm
from callevents.web.public_url import find_kind, ingest_url
from callevents.web.views import connectors
from callevents.web.views.data_protection import general_retention

bp = Blueprint("pbxs", __name__, url_prefix="/pbxs")


@bp.get("")
@requires_somewhere(Right.SEE)
def index() -> str:
    """List the PBXs."""
    scope = scope_of(Right.SEE)
    listed = pbxs.list_pbxs(scope)
    return render_template(
        "pbxs/_list.html" if htmx.is_htmx() else "pbxs/index.html",
        pbxs=listed,
        last_events=pbxs.last_event_times([pbx for pbx in listed if scope.has_pbx(pbx.id)]),
        counts=extensions.count_extensions(listed, scope),
        removing=[(pbx, removal.progress_of(pbx)) for pbx in removal.list_removing(scope)],
    )


@bp.route("/new", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def add() -> Any:
    """Show the form; add the PBX and show its token once."""
    form = PbxForm(submitted_form())
    if request.method == "POST":
        try:
            pbx, token = pbxs.add_pbx(form.name.data or "")
            pbxs.set_format(pbx, form.format.data or Format.GENERIC)
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            htmx.trigger("pbxs-changed")
            return dialogs.show("pbxs/token_made.html", pbx=pbx, token=token, is_new_pbx=True)
    return dialogs.show_form("pbxs/add.html", form)


@bp.get("/<slug>")
@requires(Right.SEE_PBX)
def show(slug: str) -> str:
    """Show a PBX: its report URL, connector and tokens."""
    pbx = pbxs.get_pbx(slug)
    url = ingest_url(pbx)
    return render_template(
        "pbxs/_tokens.html" if htmx.is_htmx() else "pbxs/show.html",
        pbx=pbx,
        tokens=tokens.list_tokens(pbx),
        max_tokens=tokens.MAX_TOKENS,
        last_event=pbxs.last_event_times([pbx]).get(pbx.id),
        count=extensions.count_extensions([pbx]).get(pbx.id, 0),
        ingest_url=url,
        address=find_kind(url),
        general_retention=general_retention(),
        number_plan_text=number_plan.describe(pbx),
        usage=quotas.load_usage(pbx),
        **connectors.load_status(pbx),
    )


@bp.route("/<slug>/rename", methods=["GET", "POST"])
@requires(Right.MANAGE)
def rename(slug: str) -> Any:
    """Show the form; rename the PBX."""
    pbx = pbxs.get_pbx(slug)
    form = NameForm(submitted_form(), obj=pbx)
    if request.method == "POST":
        try:
            pbxs.rename_pbx(pbx, form.name.data or "")
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            # The whole page, because its bar and title have the name too.
            return htmx.redirect_to(
                url_for(".show", slug=slug), f"The PBX is now named {pbx.name}."
            )
    return dialogs.show_form("pbxs/rename.html", form, pbx=pbx)
