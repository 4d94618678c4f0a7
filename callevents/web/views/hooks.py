"""Requests for the call events of one extension, or of all: list, edit, toggle, test, clear."""

from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask_login import current_user

from callevents import audit
from callevents.audit.queries import find_last
from callevents.counted import counted
from callevents.db.models import Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.hold import count_waiting, describe_waiting
from callevents.enums import EventType, Right
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks import hooks, queries, signing_secret
from callevents.hooks.history import has_secret_url, record_shown_url
from callevents.hooks.options import GIVE_UP_CHOICES, read_options
from callevents.hooks.receiver import check_choice, may_see_url
from callevents.hooks.test_request import TestResult
from callevents.jobs.waker import wake
from callevents.pbxs.extensions import find_extension_hooks
from callevents.receivers.receivers import list_receivers
from callevents.web import dialogs, htmx
from callevents.web.access import may, no_write_transaction, requires, scope_of
from callevents.web.bulk_actions import can_copy
from callevents.web.dialogs import submitted_form
from callevents.web.hook_fields import SigningChoice
from callevents.web.hook_form import HookForm
from callevents.web.hook_table import Target, load_table
from callevents.web.request_preview import example_request
from callevents.web.test_request import send_test
from callevents.web.undo import describe_end, describe_hold, undo_action
from callevents.web.url_converters import find_place, place_of
from callevents.web.views.extensions import ListView

bp = Blueprint("hooks", __name__, url_prefix="/pbxs/<slug>/extensions/<place:place>")

HOOKS_CHANGED = "hooks-changed"


@bp.get("")
@requires(Right.SEE)
def index(slug: str, place: str) -> str:
    """Show the table of call events."""
    pbx, extension = find_place(slug, place)
    template = "hooks/_table.html" if htmx.is_htmx() else "hooks/index.html"
    return render_template(
        template,
        pbx=pbx,
        extension=extension,
        place=place,
        table=load_table(pbx, extension),
        can_copy=can_copy(scope_of(Right.EDIT), pbx),
    )


@bp.route("/requests/new/<event_type:event_type>", methods=["GET", "POST"])
@requires(Right.EDIT)
def add(slug: str, place: str, event_type: EventType) -> Any:
    """Show the dialog; create the request."""
    pbx, extension = find_place(slug, place)
    form = _make_form(submitted_form(), pbx)
    if _is_saving(form):
        try:
            hook = hooks.create_hook(
                pbx, extension, event_type, form.hook_data(), scope=scope_of(Right.EDIT)
            )
        except InvalidError as error:
            form.add_errors(error)
        else:
            return _finish_saving(form, Target(pbx, extension, event_type, hook), hook)
    return _dialog(form, Target(pbx, extension, event_type))


@bp.route("/requests/<event_id>", methods=["GET", "POST"])
@requires(Right.SEE)
def change(slug: str, place: str, event_id: str) -> Any:
    """Show the dialog; update the request."""
    pbx, extension = find_place(slug, place)
    hook = _get_hook(pbx, extension, event_id)
    target = Target(pbx, extension, hook.event_type, hook)
    if not may("edit", pbx, extension):
        if request.method == "POST":
            abort(403)
        return _show(target, hook)
    form = _make_form(submitted_form(), pbx, hook)
    if _is_saving(form):
        try:
            if form.signing.data != SigningChoice.KEEP:
                check_choice(scope_of(Right.EDIT), pbx.id, hook.receiver_id)
            waiting = hooks.update_hook(hook, form.hook_data(), scope=scope_of(Right.EDIT))
        except InvalidError as error:
            form.add_errors(error)
        else:
            return _finish_saving(form, target, hook, waiting)
    if request.method == "GET" and not form.hidden_url and has_secret_url(hook):
        begin_write()
        record_shown_url(hook)
        db.session.commit()
    return _dialog(form, target)


@bp.post("/preview/<event_type:event_type>")
@requires(Right.EDIT)
@no_write_transaction
def preview(slug: str, place: str, event_type: EventType) -> str:
    """Show the request for an example call, with the values in the form."""
    target = _get_target(slug, place, event_type)
    form = _make_form(request.form, target.pbx, target.hook)
    return render_template(
        "hooks/_preview.html",
        example=example_request(form, target),
        is_live=True,
        form=form,
        pbx=target.pbx,
        receiver=form.chosen_receiver,
    )


@bp.post("/test/<event_type:event_type>")
@requires(Right.EDIT)
@no_write_transaction
def test(slug: str, place: str, event_type: EventType) -> Any:
    """Send that request at once, marked as a test, and show the response."""
    target = _get_target(slug, place, event_type)
    form = _make_form(request.form, target.pbx, target.hook)
    result = send_test(form, target, current_user.id)
    if htmx.is_htmx():
        return render_template("hooks/_test_result.html", result=result)
    return _dialog(form, target, result)


@bp.post("/requests/<event_id>/active")
@requires(Right.EDIT)
def set_active(slug: str, place: str, event_id: str) -> Any:
    """Enable or disable the request; return its row."""
    pbx, extension = find_place(slug, place)
    hook = _get_hook(pbx, extension, event_id)
    wanted = request.form.get("active")
    if wanted not in ("yes", "no"):
        abort(400, "Missing field: active (yes or no).")
    was_suspended = hook.active and hook.suspended_at is not None
    waiting = hooks.set_active(hook, wanted == "yes")
    db.session.commit()
    # What was held may be due, and so may what waited behind a delivery that is held now.
    wake()
    whose = extension.number if extension else "all extensions"
    text = f"{hook.event_type.label} of {whose} is"
    if was_suspended:
        recover = url_for("delivery_actions.recover", slug=slug, event_id=event_id)
        htmx.toast(f"{text} resumed.", link=recover, link_text="Recover failed deliveries")
        # The notice above the table changes too.
        htmx.trigger(HOOKS_CHANGED)
    else:
        text += " enabled." if hook.active else " disabled."
        text += describe_hold(hook.active, waiting)
        htmx.toast(text, actions=_cancel_action(pbx, hook, waiting))
    if request.args.get("from") == "requests":
        return _finish_in_list(pbx)
    if request.args.get("from") == "list":
        return _render_list_row(pbx, extension)
    return _render_table_row(pbx, extension, hook)


@bp.post("/requests/<event_id>/cancel-held")
@requires(Right.EDIT)
def cancel_held(slug: str, place: str, event_id: str) -> Any:
    """Cancel what waits for the disabled request."""
    pbx, extension = find_place(slug, place)
    count = hooks.cancel_held(_get_hook(pbx, extension, event_id))
    db.session.commit()
    wake()
    htmx.toast(f"{describe_waiting(count)} cancelled.")
    if not htmx.is_htmx():
        return redirect(url_for(".index", slug=slug, place=place), code=303)
    htmx.trigger(HOOKS_CHANGED)
    return Response(status=204)


@bp.route("/clear", methods=["GET", "POST"])
@requires(Right.EDIT)
def clear(slug: str, place: str) -> Any:
    """Confirm with a list of the selected requests; clear them."""
    pbx, extension = find_place(slug, place)
    selected = set(request.values.getlist("event_id"))
    chosen = [hook for hook in queries.list_hooks(pbx, extension) if hook.event_id in selected]
    if request.method == "GET":
        return dialogs.show(
            "hooks/clear.html",
            pbx=pbx,
            extension=extension,
            place=place,
            hooks=chosen,
            waiting=count_waiting([hook.id for hook in chosen]),
        )
    removed = hooks.clear_hooks(chosen)
    db.session.commit()
    wake()
    text = f"{counted(removed.hooks, 'request')} cleared."
    return _finish(
        slug, place, text + describe_end(removed), actions=undo_action(pbx, removed, place)
    )


def _get_hook(pbx: Pbx, extension: Extension | None, event_id: str) -> Hook:
    hook = queries.get_hook(event_id, pbx)
    if hook.extension_id != (extension.id if extension else None):
        # As if it did not exist: the user may not see those of every extension.
        raise queries.no_such_hook(event_id)
    return hook


def _make_form(submitted: Any, pbx: Pbx, hook: Hook | None = None) -> HookForm:
    scope = scope_of(Right.EDIT)
    hides_url = hook is not None and not may_see_url(scope, hook)
    receivers = list_receivers(scope, pbx) if scope.has_pbx(pbx.id) else ()
    return HookForm.of(submitted, hook, receivers, pbx=pbx, hides_url=hides_url)


def _is_saving(form: HookForm) -> bool:
    """Return True if the form is submitted and valid, and not only for a preview."""
    return request.method == "POST" and form.validate() and "preview" not in request.form


def _get_target(slug: str, place: str, event_type: EventType) -> Target:
    """Return the target of a dialog from its unsaved form."""
    pbx, extension = find_place(slug, place)
    event_id = request.form.get("event_id")
    hook = _get_hook(pbx, extension, event_id) if event_id else None
    if hook and hook.event_type is not event_type:
        raise NotFoundError("That request belongs to another event type.")
    return Target(pbx, extension, event_type, hook)


def _dialog(form: HookForm, target: Target, result: TestResult | None = None) -> Any:
    return dialogs.show_form(
        "hooks/edit.html",
        form,
        target=target,
        example=example_request(form, target),
        result=result,
        suspended=target.hook and find_last(audit.Action.HOOK_SUSPENDED, target.hook),
        disabled=target.hook and find_last(audit.Action.HOOK_DISABLED, target.hook),
    )


def _show(target: Target, hook: Hook) -> Any:
    """Show the request to a user who may not change it."""
    _, give_up = GIVE_UP_CHOICES.get(hook.give_up_seconds, ("", f"{hook.give_up_seconds} seconds"))
    return dialogs.show(
        "hooks/show.html", target=target, options=read_options(hook), give_up=give_up
    )


def _cancel_action(pbx: Pbx, hook: Hook, waiting: int) -> dict[str, str]:
    """Return the button that cancels what a disabled hook holds, for a toast."""
    if hook.active or not waiting:
        return {}
    place = place_of(hook.extension)
    url = url_for(".cancel_held", slug=pbx.slug, place=place, event_id=hook.event_id)
    return {"Cancel them instead": url}


def _finish_saving(form: HookForm, target: Target, hook: Hook, waiting: int = 0) -> Any:
    """Commit, and close the dialog; show a new signing secret once.

    `waiting`: deliveries that are held now, or go on.
    """
    secret = ""
    if form.signing.data == SigningChoice.NEW:
        secret = signing_secret.rotate_secret(hook)
    elif form.signing.data == SigningChoice.REMOVE:
        signing_secret.remove_secret(hook)
    db.session.commit()
    # Deliveries that waited for an earlier one of their call may be due now.
    wake()
    text = f"{target.event_type.label}: the request is saved.{describe_hold(hook.active, waiting)}"
    actions = _cancel_action(target.pbx, hook, waiting)
    if not secret:
        return _finish(target.pbx.slug, target.place, text, actions=actions)
    htmx.toast(text, actions=actions)
    htmx.trigger(HOOKS_CHANGED)
    return dialogs.show("hooks/secret.html", target=target, secret=secret)


def _finish(slug: str, place: str, text: str, **options: Any) -> Any:
    return dialogs.finish(text, url_for(".index", slug=slug, place=place), HOOKS_CHANGED, **options)


def _render_table_row(pbx: Pbx, extension: Extension | None, hook: Hook) -> Any:
    place = place_of(extension)
    if not htmx.is_htmx():
        return redirect(url_for(".index", slug=pbx.slug, place=place), code=303)
    row = load_table(pbx, extension).find_row(hook)
    return render_template("hooks/_row.html", pbx=pbx, place=place, row=row)


def _finish_in_list(pbx: Pbx) -> Any:
    """Return to the page of requests, which loads its list again."""
    if not htmx.is_htmx():
        return redirect(url_for("requests.index", slug=pbx.slug), code=303)
    htmx.trigger(HOOKS_CHANGED)
    return Response(status=204)


def _render_list_row(pbx: Pbx, extension: Extension | None) -> Any:
    view = ListView.from_request()
    if not htmx.is_htmx():
        return redirect(url_for("extensions.index", slug=pbx.slug, **view.query()), code=303)
    own = find_extension_hooks(pbx, extension)
    return render_template(
        "extensions/_row.html", pbx=pbx, extension=extension, hooks=own, view=view
    )
