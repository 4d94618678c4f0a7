"""Many extensions at once: import them, add a range, configure requests for the selected ones."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request, url_for

from callevents.counted import counted
from callevents.db.models import Extension, Pbx
from callevents.db.session import begin_write
from callevents.enums import TABLE_ORDER, EventType, Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.bulk.add import MAX_EXTENSIONS, Added, add_for_many
from callevents.jobs.waker import wake
from callevents.pbxs import pbxs
from callevents.pbxs.extension_choice import list_chosen, list_matching
from callevents.pbxs.extension_import import Imported, Parsed, add_lines, decode, parse
from callevents.pbxs.extension_numbers import read_range
from callevents.receivers.receivers import list_receivers
from callevents.web import dialogs, htmx
from callevents.web.access import no_write_transaction, requires, requires_somewhere, scope_of
from callevents.web.extension_forms import ImportForm, RangeForm
from callevents.web.hook_fields import SigningChoice
from callevents.web.hook_form import HookForm
from callevents.web.hook_table import Target
from callevents.web.request_preview import example_request
from callevents.web.views.extensions import EXTENSIONS_CHANGED, MAX_SEARCH_LENGTH
from callevents.web.views.hooks import HOOKS_CHANGED

bp = Blueprint("extension_batches", __name__, url_prefix="/pbxs/<slug>/extensions")

#: Lines and problems shown of a file.
MAX_SHOWN = 50
#: Lines of which the result says why they were left out.
MAX_EXPLAINED = 5


@bp.route("/import", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
@no_write_transaction
def import_file(slug: str) -> Any:
    """Ask for a CSV file, preview what would be added, and add it."""
    pbx = pbxs.get_pbx(slug)
    form = ImportForm(request.form if request.method == "POST" else None)
    if request.method == "GET":
        return _show_import(pbx, form, None)
    try:
        form.text.data = _read_text()
        if request.form.get("step") == "apply":
            begin_write()
        parsed = parse(form.text.data, pbx)
        if request.form.get("step") != "apply":
            return _show_import(pbx, form, parsed)
        imported = add_lines(pbx, parsed)
    except InvalidError as error:
        db.session.rollback()
        form.add_errors(error)
        return _show_import(pbx, form, None)
    db.session.commit()
    return _finish(pbx, describe(imported), is_partial=bool(imported.problems))


@bp.route("/range", methods=["GET", "POST"])
@requires(Right.EDIT_EXTENSIONS)
def add_range(slug: str) -> Any:
    """Ask for the first and the last number; add all of them."""
    pbx = pbxs.get_pbx(slug)
    form = RangeForm(request.form if request.method == "POST" else None)
    if request.method == "POST":
        try:
            numbers = read_range(form.first.data or "", form.last.data or "")
            imported = add_lines(pbx, parse("\n".join(numbers), pbx))
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            is_partial = bool(imported.problems)
            return _finish(pbx, describe(imported, "Number"), is_partial=is_partial)
    return dialogs.show_form("extensions/range.html", form, pbx=pbx)


@bp.get("/selected")
@requires_somewhere(Right.EDIT)
def selected(slug: str) -> Any:
    """Ask which event to configure for the selected extensions, or from which one to copy."""
    pbx = pbxs.get_pbx(slug)
    is_copy = request.args.get("action") == "copy"
    return _show_selected(pbx, "copy" if is_copy else "configure")


def _show_selected(pbx: Pbx, name: str) -> Response:
    chosen, (search, group) = _find_chosen(pbx), _read_search()
    is_too_many = len(chosen) > MAX_EXTENSIONS
    return dialogs.show(
        f"extensions/{name}.html",
        status=422 if is_too_many else 200,
        is_too_many=is_too_many,
        limit=MAX_EXTENSIONS,
        pbx=pbx,
        chosen=chosen,
        is_all="all" in request.args,
        search=search,
        group=group,
        numbers=", ".join(one.number for one in chosen),
        events=TABLE_ORDER,
    )


@bp.route("/configure/<event_type:event_type>", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
def configure(slug: str, event_type: EventType) -> Any:
    """Show the dialog of a request once; create the request for each selected extension."""
    pbx = pbxs.get_pbx(slug)
    chosen = _find_chosen(pbx)
    if not 1 <= len(chosen) <= MAX_EXTENSIONS:
        return _show_selected(pbx, "configure")
    scope = scope_of(Right.EDIT)
    form = HookForm.of(
        request.form if request.method == "POST" else None,
        receivers=list_receivers(scope, pbx) if scope.has_pbx(pbx.id) else (),
        pbx=pbx,
    )
    if request.method == "POST" and form.validate() and "preview" not in request.form:
        is_signed = form.signing.data == SigningChoice.NEW
        try:
            data = form.hook_data()
            added = add_for_many(pbx, chosen, event_type, data, is_signed=is_signed, scope=scope)
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            wake()
            return _finish_adding(Target(pbx, chosen[0], event_type, added.hooks[0]), added)
    target = Target(pbx, chosen[0], event_type)
    return dialogs.show_form(
        "hooks/edit.html",
        form,
        target=target,
        example=example_request(form, target),
        result=None,
        suspended=None,
        disabled=None,
        many=chosen,
        many_action=url_for(".configure", slug=slug, event_type=event_type),
    )


def _find_chosen(pbx: Pbx) -> Sequence[Extension]:
    """Return the selected extensions that the user may edit: by ID, or all that match.

    If there are more than MAX_EXTENSIONS, one more than that.
    """
    scope = scope_of(Right.EDIT)
    if request.values.get("all") == "yes":
        return list_matching(pbx, *_read_search(), scope, MAX_EXTENSIONS + 1)
    ids = request.values.getlist("extension_id")
    return list_chosen(pbx, ids, scope, MAX_EXTENSIONS + 1)


def _read_search() -> tuple[str, str]:
    """Return the text that is searched for, and the name of the group."""
    search, group = (request.values.get(name, "")[:MAX_SEARCH_LENGTH] for name in ("q", "group"))
    return search.strip(), group.strip()


def _read_text() -> str:
    """Return the text of the file, or what was pasted; raises InvalidError."""
    uploaded = request.files.get("file")
    if uploaded and uploaded.filename:
        return decode(uploaded.read())
    text = request.form.get("text", "")
    if not text.strip():
        raise InvalidError.of("file", "Choose a file, or paste lines.")
    return decode(text.encode())


def _show_import(pbx: Pbx, form: ImportForm, parsed: Parsed | None) -> Response:
    return dialogs.show_form(
        "extensions/import.html",
        form,
        pbx=pbx,
        parsed=parsed,
        MAX_SHOWN=MAX_SHOWN,
    )


def describe(imported: Imported, place: str = "Line") -> str:
    """Return what was imported, as text, and what was left out: by lines, or by other places."""
    verb = "is" if imported.added == 1 else "are"
    text = f"{counted(imported.added, 'extension')} {verb} added."
    if imported.existing:
        text += f" {imported.existing:,} existed already."
    if imported.problems:
        text += f" {len(imported.problems):,} left out."
    for problem in imported.problems[:MAX_EXPLAINED]:
        text += f" {place} {problem.line}: {problem.text}"
    if more := imported.problems[MAX_EXPLAINED:]:
        text += f" {place}s {', '.join(str(problem.line) for problem in more[:MAX_SHOWN])}"
        text += f" and {len(more) - MAX_SHOWN:,} more." if len(more) > MAX_SHOWN else "."
    return text


def _finish(pbx: Pbx, text: str, *, is_partial: bool) -> Any:
    """Close the dialog. What was left out stays until the user has dismissed it."""
    where = url_for("extensions.index", slug=pbx.slug)
    kind = "error" if is_partial else "done"
    return dialogs.finish(text, where, EXTENSIONS_CHANGED, kind=kind)


def _finish_adding(target: Target, added: Added) -> Any:
    text = f"{target.event_type.label}: {counted(len(added.hooks), 'request')} created."
    if added.full:
        text += f" Left out, because they have the maximum already: {len(added.full):,}."
    actions = {"Undo": url_for("requests.undo_change", change_id=added.id)}
    if added.secret:
        htmx.toast(text, actions=actions)
        htmx.trigger(HOOKS_CHANGED)
        return dialogs.show("hooks/secret.html", target=target, secret=added.secret)
    where = url_for("extensions.index", slug=target.pbx.slug)
    return dialogs.finish(text, where, HOOKS_CHANGED, actions=actions)
