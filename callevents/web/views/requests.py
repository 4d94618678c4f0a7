"""All requests of a PBX, or of all PBXs: filter, select, and change many at once."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for

from callevents.counted import counted
from callevents.db.models import Hook, utc_now
from callevents.db.session import begin_write
from callevents.delivery.hold import count_waiting, describe_waiting
from callevents.delivery.log.queries import last_deliveries
from callevents.enums import Right
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.hooks import selection
from callevents.hooks.bulk import apply as bulk
from callevents.hooks.bulk.apply import Done, Previewed, SelectionChangedError
from callevents.hooks.bulk.changes import HAS_SECRETS, describe_missing
from callevents.hooks.bulk.offered import find_offered
from callevents.hooks.bulk.steps import MAX_EXAMPLES, Change, Plan
from callevents.hooks.bulk.undo import CHANGED_SINCE, REFUSED, Undone, undo
from callevents.hooks.queries import list_origins
from callevents.hooks.selection import HookState, HookWhere, Selection, find_receivers_of
from callevents.hooks.where import FIELDS, SCOPES
from callevents.jobs.waker import wake
from callevents.pbxs.groups import list_names
from callevents.web import dialogs, htmx
from callevents.web.access import no_write_transaction, requires_somewhere, scope_of
from callevents.web.bulk_actions import ACTIONS, BulkAction, list_offered
from callevents.web.bulk_forms import BulkForm, MoveForm
from callevents.web.request_filters import RequestView
from callevents.web.views.hooks import HOOKS_CHANGED

bp = Blueprint("requests", __name__)

PAGE_SIZE = 100


@bp.get("/pbxs/<slug>/requests")
@bp.get("/requests", endpoint="index_of_all")
@requires_somewhere(Right.SEE)
def index(slug: str | None = None) -> Any:
    """List requests, newest first."""
    view = RequestView.from_request(slug)
    problems: dict[str, list[str]] = {}
    found: Sequence[Hook] = ()
    total, scope = 0, scope_of(view.right)
    try:
        where = view.where()
    except InvalidError as error:
        where, problems = HookWhere(), error.errors
    else:
        total = selection.count(where, scope)
        found = selection.find_page(where, scope=scope, before=view.before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    is_filtering = htmx.is_requested_by("filter")
    if is_filtering:
        # Without empty fields.
        htmx.replace_url(view.url())
    return render_template(
        "requests/_list.html" if htmx.is_htmx() else "requests/index.html",
        view=view,
        hooks=shown,
        last=last_deliveries(shown),
        total=total,
        older=shown[-1].id if len(found) > PAGE_SIZE else None,
        problems=problems,
        is_filtering=is_filtering,
        undoable=find_offered(scope_of(Right.EDIT), view.undo_since),
        now=utc_now(),
        url_of_undo=url_of_undo,
        actions=list_offered(scope_of(Right.EDIT), view.pbx),
        LABELS=FIELDS,
        SCOPES=SCOPES,
        REFUSED=REFUSED,
        HookState=HookState,
        receivers=find_receivers_of(scope_of(Right.SEE)),
        groups=list_names(scope_of(Right.SEE)),
        origins=() if htmx.is_htmx() else list_origins(view.pbx, scope_of(Right.SEE)),
    )


@bp.route("/pbxs/<slug>/requests/change", methods=["GET", "POST"])
@bp.route("/requests/change", endpoint="change_of_all", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
@no_write_transaction
def change(slug: str | None = None) -> Any:
    """Ask what to do, preview it, and do it to the selected requests."""
    view = RequestView.from_request(slug)
    action = ACTIONS.get(request.values.get("action", ""))
    if action is None:
        return htmx.redirect_to(view.url())
    # Fields of the form may have the names of those of the filter.
    form = action.form(request.form if request.method == "POST" else None)
    if request.form.get("step") == "apply":
        return _apply(view, action, form)
    return _dialog(view, action, form, view.selection())


@bp.post("/requests/changes/<id:change_id>/undo")
@requires_somewhere(Right.EDIT)
def undo_change(change_id: str) -> Any:
    """Undo a change of many requests."""
    try:
        undone = undo(change_id, scope_of(Right.EDIT))
    except ConflictError:
        # The page has promised too much.
        htmx.trigger(HOOKS_CHANGED)
        raise
    db.session.commit()
    wake()
    htmx.toast(describe_undone(undone))
    if not htmx.is_htmx():
        view = RequestView.from_request(request.args.get("slug")).unfiltered
        return redirect(view.url_since(utc_now()), 303)
    htmx.trigger(HOOKS_CHANGED)
    return Response(status=204)


def _dialog(
    view: RequestView,
    action: BulkAction,
    form: BulkForm,
    chosen: Selection,
    message: str = "",
) -> Response:
    """Show the form, or the preview if there is nothing to ask, or everything is filled in."""
    hooks = _load(chosen)
    _fill(form, hooks)
    plan: Plan | None = None
    if hooks and (request.method == "POST" or not action.asks):
        try:
            plan = Plan.make(form.change(hooks), hooks)
        except InvalidError as error:
            form.add_errors(error)
    changing = plan.changing if plan else []
    is_clearing = action.is_dangerous and bool(plan)
    return dialogs.show_form(
        "requests/change.html",
        form,
        view=view,
        action=action,
        chosen=chosen,
        hooks=hooks,
        plan=plan,
        changing=changing,
        examples=changing[:MAX_EXAMPLES],
        previewed=Previewed.of(plan).write() if plan else "",
        waiting=count_waiting([step.hook.id for step in changing]) if is_clearing else 0,
        missing=describe_missing(changing),
        can_drop_secrets=plan is not None and HAS_SECRETS in plan.left_out,
        message=message,
        MAX_EXAMPLES=MAX_EXAMPLES,
    )


def _load(chosen: Selection) -> Sequence[Hook]:
    return () if chosen.event_ids == frozenset() else chosen.load()


def _fill(form: BulkForm, hooks: Sequence[Hook]) -> None:
    if isinstance(form, MoveForm):
        form.receivers = selection.find_receivers_for(hooks, scope_of(Right.EDIT))
    form.fill(hooks)


def _apply(view: RequestView, action: BulkAction, form: BulkForm) -> Any:
    previewed = Previewed.read(request.form.get("previewed", ""))
    if previewed is None:
        abort(400, "Missing field: previewed.")
    begin_write()
    chosen = view.selection()
    try:
        hooks = _load(chosen)
        _fill(form, hooks)
        wanted: Change = form.change(hooks)
        done = bulk.apply(chosen, wanted, previewed)
    except InvalidError as error:
        db.session.rollback()
        form.add_errors(error)
        return _dialog(view, action, form, view.selection())
    except SelectionChangedError as error:
        db.session.rollback()
        return _dialog(view, action, form, view.selection(), str(error))
    db.session.commit()
    wake()
    back = view.at(None).url()
    actions = {"Undo": url_of_undo(view, done.id)} if done.id else {}
    return dialogs.finish(describe(action, done), back, HOOKS_CHANGED, actions=actions)


def url_of_undo(view: RequestView, change_id: str) -> str:
    """Return the URL that undoes a change, and returns to the requests of the same PBX."""
    slug = view.pbx.slug if view.pbx else None
    return url_for("requests.undo_change", change_id=change_id, slug=slug)


def describe(action: BulkAction, done: Done) -> str:
    """Return what was done, as text."""
    parts = [f"{counted(done.changed, 'request')} {action.done}."]
    if done.held:
        parts.append(f"{describe_waiting(done.held)} held.")
    if done.released:
        parts.append(f"{describe_waiting(done.released)} go on.")
    if done.cancelled:
        parts.append(f"{describe_waiting(done.cancelled)} end with them.")
    left_out = sum(done.left_out.values())
    if left_out:
        parts.append(f"{left_out:,} left out.")
    return " ".join(parts)


def describe_undone(undone: Undone) -> str:
    """Return what was undone, as text."""
    text = f"{counted(undone.hooks, 'request')} restored."
    if undone.left_out:
        text += f" {undone.left_out:,} left out: {CHANGED_SINCE}."
    if undone.refused:
        text += f" {undone.refused:,} left out: {REFUSED}."
    if undone.released:
        text += f" {describe_waiting(undone.released)} go on."
    return text
