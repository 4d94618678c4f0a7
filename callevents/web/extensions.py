"""The extensions of a PBX: list, search, add, rename, delete, and those reported but not added."""

from flask import Blueprint, render_template, request, session, url_for

from callevents import directory, hooks, pbxs
from callevents.directory import Sort
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.forms import EmptyForm, ExtensionForm, NameForm
from callevents.web import hx
from callevents.web.access import admins_only
from callevents.web.dialogs import edit, render_dialog
from callevents.web.home import LAST_PBX
from callevents.web.hx import Answer

bp = Blueprint("extensions", __name__, url_prefix="/pbxs/<slug>/extensions")

CHANGED = "extensions-changed"
LONGEST_SEARCH = 100


@bp.get("")
def index(slug: str) -> str:
    """List the extensions: searched, sorted, a page of them."""
    pbx = pbxs.get_pbx(slug)
    session[LAST_PBX] = slug
    search = request.args.get("q", "")[:LONGEST_SEARCH]
    sort = Sort.NAME if request.args.get("sort") == Sort.NAME else Sort.NUMBER
    descending = request.args.get("direction") == "down"
    page = request.args.get("page", 1, type=int)
    found = directory.find_extensions(pbx, search, sort=sort, descending=descending, page=page)
    template = "extensions/_list.html" if hx.is_asking() else "extensions/index.html"
    return render_template(
        template,
        pbx=pbx,
        found=found,
        proposals=directory.list_proposals(pbx),
        search=search,
        sort=sort,
        descending=descending,
    )


@bp.route("/new", methods=["GET", "POST"])
@admins_only
def add(slug: str) -> Answer:
    """Show the form for a new extension; add it."""
    pbx = pbxs.get_pbx(slug)
    form = ExtensionForm(data=request.args.to_dict())

    def save() -> Answer:
        extension = directory.add_extension(pbx, form.number.data or "", form.name.data or "")
        db.session.commit()
        return hx.done(f"{extension.number} is added.", url_for(".index", slug=slug), CHANGED)

    return edit(form, save, "extensions/add.html", pbx=pbx)


@bp.route("/<uuid:extension_id>/name", methods=["GET", "POST"])
@admins_only
def rename(slug: str, extension_id: object) -> Answer:
    """Show the form for another name; rename the extension."""
    pbx = pbxs.get_pbx(slug)
    extension = directory.get_extension(pbx, str(extension_id))
    form = NameForm(obj=extension)

    def save() -> Answer:
        directory.rename_extension(extension, form.name.data or "")
        db.session.commit()
        message = f"{extension.number} is renamed."
        return hx.done(message, url_for(".index", slug=slug), CHANGED)

    return edit(form, save, "extensions/rename.html", pbx=pbx, extension=extension)


@bp.route("/<uuid:extension_id>/delete", methods=["GET", "POST"])
@admins_only
def delete(slug: str, extension_id: object) -> Answer:
    """Ask whether to delete the extension, naming what goes with it; delete it."""
    pbx = pbxs.get_pbx(slug)
    extension = directory.get_extension(pbx, str(extension_id))
    form = EmptyForm()
    if not form.validate_on_submit():
        going = hooks.list_hooks(pbx, extension)
        return render_dialog(
            "extensions/delete.html", pbx=pbx, extension=extension, hooks=going, form=form
        )
    number = extension.number
    directory.delete_extension(extension)
    db.session.commit()
    return hx.done(f"{number} is deleted.", url_for(".index", slug=slug), CHANGED)


@bp.post("/proposals")
@admins_only
def propose(slug: str) -> Answer:
    """Add a number that was reported, or forget it."""
    pbx = pbxs.get_pbx(slug)
    number = request.form.get("number", "")
    try:
        if request.form.get("action") == "dismiss":
            directory.dismiss_proposal(pbx, number)
            message = f"{number} is not offered any more, until it is reported again."
        else:
            directory.add_extension(pbx, number)
            message = f"{number} is added."
    except InvalidError as error:
        db.session.rollback()
        message = str(error)
    db.session.commit()
    return hx.done(message, url_for(".index", slug=slug), CHANGED)
