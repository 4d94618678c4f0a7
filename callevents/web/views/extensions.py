"""The extensions of a PBX: list, search, add, rename, delete."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request, url_for

from callevents.db.models import Pbx
from callevents.delivery.hold import count_waiting
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks import queries, suspension
from callevents.jobs.waker import wake
from callevents.pbxs import extensions, pbxs, suggestions
from callevents.pbxs.extensions import Sort
from callevents.web import dialogs, htmx
from callevents.web.access import requires, requires_somewhere, scope_of
from callevents.web.dialogs import submitted_form
from callevents.web.forms import ExtensionForm, NameForm
from callevents.web.undo import describe_end, undo_action

bp = Blueprint("extensions", __name__, url_prefix="/pbxs/<slug>/extensions")

MAX_SEARCH_LENGTH = 200
EXTENSIONS_CHANGED = "extensions-changed"


@dataclass(frozen=True)
class ListView:
    """Search, order and page of the list."""

    search: str
    sort: Sort
    descending: bool
    page: int
    #: The name of a group, whose members are listed.
    group: str = ""

    @classmethod
    def from_request(cls) -> "ListView":
        """Read it from the query; invalid values are ignored."""
        sort = request.args.get("sort", "")
        return cls(
            search=request.args.get("q", "")[:MAX_SEARCH_LENGTH].strip(),
            sort=Sort(sort) if sort in list(Sort) else Sort.NUMBER,
            descending=request.args.get("order") == "desc",
            page=max(1, request.args.get("page", 1, type=int)),
            group=request.args.get("group", "")[:MAX_SEARCH_LENGTH].strip(),
        )

    def query(self, **changes: object) -> dict[str, Any]:
        """Return the query of this view with changes, without default values."""
        sort = changes.get("sort", self.sort)
        values: dict[str, Any] = {
            "q": changes.get("search", self.search) or None,
            "sort": None if sort is Sort.NUMBER else sort,
            "order": "desc" if changes.get("descending", self.descending) else None,
            "page": changes.get("page", self.page),
            "group": changes.get("group", self.group) or None,
        }
        if values["page"] == 1:
            del values["page"]
        return {name: value for name, value in values.items() if value is not None}


@bp.get("")
@requires_somewhere(Right.SEE)
def index(slug: str) -> str:
    """List a page of the extensions, with the status of their requests."""
    pbx = pbxs.get_pbx(slug)
    view, scope = ListView.from_request(), scope_of(Right.SEE)
    sees_suggestions = not view.search and not view.group and scope.has_pbx(pbx.id)
    return render_template(
        "extensions/_list.html" if htmx.is_htmx() else "extensions/index.html",
        pbx=pbx,
        view=view,
        Sort=Sort,
        found=extensions.find_extensions(
            pbx,
            view.search,
            sort=view.sort,
            descending=view.descending,
            page=view.page,
            scope=scope,
            group=view.group,
        ),
        suspended=suspension.count_suspended(pbx, scope),
        suggestions=suggestions.list_suggestions(pbx) if sees_suggestions else (),
        suggestion_count=suggestions.count_suggestions(pbx) if sees_suggestions else 0,
    )


@bp.route("/new", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def add(slug: str) -> Any:
    """Show the form of a new extension; add it."""
    pbx = pbxs.get_pbx(slug)
    form = ExtensionForm(submitted_form(), data=request.args.to_dict())
    if request.method == "POST":
        try:
            added = extensions.add_extension(pbx, form.number.data or "", form.name.data or "")
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            return dialogs.finish(
                f"{added.number} is added.", url_for(".index", slug=slug), EXTENSIONS_CHANGED
            )
    return dialogs.show_form("extensions/add.html", form, pbx=pbx)


@bp.route("/<id:extension_id>/rename", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def rename(slug: str, extension_id: str) -> Any:
    """Show the form; rename the extension."""
    pbx = pbxs.get_pbx(slug)
    extension = extensions.get_extension(pbx, extension_id)
    form = NameForm(submitted_form(), obj=extension)
    if request.method == "POST":
        try:
            extensions.rename_extension(extension, form.name.data or "")
        except InvalidError as error:
            form.add_errors(error)
        else:
            db.session.commit()
            return _finish(pbx, f"{extension.number} is renamed.")
    return dialogs.show_form("extensions/rename.html", form, pbx=pbx, extension=extension)


@bp.route("/<id:extension_id>/delete", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def delete(slug: str, extension_id: str) -> Any:
    """Confirm with a list of its requests; delete the extension."""
    pbx = pbxs.get_pbx(slug)
    extension = extensions.get_extension(pbx, extension_id)
    deleted = queries.list_hooks(pbx, extension)
    if request.method == "GET":
        waiting = count_waiting([hook.id for hook in deleted])
        return dialogs.show(
            "extensions/delete.html", pbx=pbx, extension=extension, hooks=deleted, waiting=waiting
        )
    number = extension.number
    removed = extensions.delete_extension(extension)
    db.session.commit()
    wake()
    text = f"{number} is deleted.{describe_end(removed)}"
    return _finish(pbx, text, actions=undo_action(pbx, removed))


def _finish(pbx: Pbx, text: str, **options: Any) -> Any:
    return dialogs.finish(text, url_for(".index", slug=pbx.slug), EXTENSIONS_CHANGED, **options)
