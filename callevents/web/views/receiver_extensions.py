"""The extensions that use a receiver: connect, disconnect, and who they are there."""

from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask_login import current_user

from callevents.counted import counted
from callevents.csv_rows import decode
from callevents.db.models import Extension, Pbx, Receiver
from callevents.delivery.hold import count_waiting
from callevents.enums import Right
from callevents.errors import CallEventsError, ConflictError, InvalidError
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.pbxs import extensions, groups, pbxs
from callevents.receivers.connect import connect, disconnect, get_recipe_of, list_connected
from callevents.receivers.fetching import fetch_users
from callevents.receivers.users import list_users, parse_users, replace_users, write_users
from callevents.web import dialogs, htmx
from callevents.web.access import (
    may,
    no_write_transaction,
    requires,
    requires_somewhere,
    scope_of,
)
from callevents.web.undo import describe_end, undo_action
from callevents.web.views.receivers import get_visible

bp = Blueprint("receiver_extensions", __name__, url_prefix="/receivers/<name>")

MAX_CSV_BYTES = 1_000_000
USER = "user-"


@bp.get("/connect")
@requires_somewhere(Right.EDIT)
def choose(name: str) -> Any:
    """Choose a PBX, or go on with the only one."""
    receiver = get_visible(name)
    found = [
        pbx for pbx in pbxs.list_pbxs(scope_of(Right.EDIT)) if receiver.pbx_id in (None, pbx.id)
    ]
    if len(found) == 1:
        return redirect(url_for(".connect_pbx", name=name, slug=found[0].slug), code=303)
    return render_template("receivers/choose_pbx.html", receiver=receiver, pbxs=found)


@bp.route("/connect/<slug>", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
def connect_pbx(name: str, slug: str) -> Any:
    """Show the extensions and requests to choose from; make the requests."""
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    recipe = get_recipe_of(receiver)
    offered = _offered_extensions(pbx)
    problem = ""
    if request.method == "POST":
        try:
            chosen = _chosen_extensions(pbx, offered)
            done = connect(receiver, pbx, chosen, request.form.getlist("request"))
        except (InvalidError, ConflictError) as error:
            db.session.rollback()
            problem = str(error)
        else:
            db.session.commit()
            wake()
            htmx.toast(_describe(len(done.created), len(done.kept)))
            return redirect(url_for("receivers.show", name=name), code=303)
    connected = {hook.extension_id for hook in list_connected(receiver) if hook.pbx_id == pbx.id}
    memberships = groups.list_memberships(pbx)
    used = {group_id for one in offered for group_id in memberships.get(one.id, ())}
    page = render_template(
        "receivers/connect.html",
        receiver=receiver,
        recipe=recipe,
        pbx=pbx,
        extensions=offered,
        groups=[group for group in groups.list_groups(pbx) if group.id in used],
        memberships=memberships,
        connected=connected,
        chosen=set(request.form.getlist("extension")),
        requests=_ticked_requests(recipe),
        problem=problem,
    )
    return page, 422 if problem else 200


@bp.route("/disconnect/<slug>", methods=["GET", "POST"])
@requires(Right.EDIT)
def disconnect_pbx(name: str, slug: str) -> Any:
    """Confirm; clear the receiver's requests of the PBX, which can be undone."""
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    if request.method == "GET":
        ids = [hook.id for hook in list_connected(receiver) if hook.pbx_id == pbx.id]
        return dialogs.show(
            "receivers/disconnect.html",
            receiver=receiver,
            pbx=pbx,
            count=len(ids),
            waiting=count_waiting(ids) if ids else 0,
        )
    removed = disconnect(receiver, pbx)
    db.session.commit()
    wake()
    count = removed.hooks
    text = f"{counted(count, 'request')} cleared.{describe_end(removed)}"
    # The whole page, because the state and the requests have changed.
    actions = undo_action(pbx, removed, receiver=name)
    return htmx.redirect_to(url_for("receivers.show", name=name), text, actions)


@bp.route("/users/<slug>", methods=["GET", "POST"])
@requires(Right.EDIT)
def users(name: str, slug: str) -> Any:
    """Show who the extensions are in the receiver; store what was entered."""
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    stored = list_users(receiver, pbx)
    shown = {one.number: stored.get(one.number, "") for one in extensions.list_extensions(pbx)}
    shown |= stored
    problem: list[str] = []
    if request.method == "POST":
        entered = {
            field.removeprefix(USER): text.strip()
            for field, text in request.form.items()
            if field.startswith(USER)
        }
        shown |= entered
        try:
            kept = {number: user for number, user in {**stored, **entered}.items() if user}
            count = replace_users(receiver, pbx, kept)
        except InvalidError as error:
            db.session.rollback()
            problem = error.errors.get("users", [str(error)])
        else:
            db.session.commit()
            htmx.toast(f"Saved. {counted(count, 'user')} changed.")
            return redirect(url_for(".users", name=name, slug=slug), code=303)
    return _show_users(receiver, pbx, shown, problem)


@bp.post("/users/<slug>/import")
@requires(Right.EDIT)
def import_users(name: str, slug: str) -> Any:
    """Replace the user map by a CSV file."""
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    try:
        found = parse_users(_read_upload())
        count = replace_users(receiver, pbx, found)
    except InvalidError as error:
        db.session.rollback()
        stored = list_users(receiver, pbx)
        return _show_users(receiver, pbx, stored, error.errors.get("users", [str(error)]))
    db.session.commit()
    htmx.toast(f"Imported. {counted(count, 'user')} changed.")
    return redirect(url_for(".users", name=name, slug=slug), code=303)


@bp.post("/users/<slug>/fetch")
@requires(Right.EDIT)
@no_write_transaction
def fetch(name: str, slug: str) -> Any:
    """Ask the receiver who has which extension; show it, to be saved."""
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    stored = list_users(receiver, pbx)
    try:
        found = fetch_users(receiver, pbx, current_user.id)
    except CallEventsError as error:
        db.session.rollback()
        return _show_users(get_visible(name), pbxs.get_pbx(slug), stored, [str(error)])
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    numbers = [one.number for one in extensions.list_extensions(pbx)]
    shown = {number: found.get(number, stored.get(number, "")) for number in numbers}
    notice = f"The receiver returned {len(found):,} users. Check them, then save."
    return _show_users(receiver, pbx, shown, [], notice)


@bp.get("/users/<slug>/export")
@requires(Right.EDIT)
def export_users(name: str, slug: str) -> Response:
    """Return the user map as CSV."""
    receiver, pbx = get_visible(name), pbxs.get_pbx(slug)
    response = Response(write_users(list_users(receiver, pbx)), mimetype="text/csv")
    response.headers["Content-Disposition"] = (
        f'attachment; filename="users-{receiver.slug}-{pbx.slug}.csv"'
    )
    return response


def _show_users(
    receiver: Receiver, pbx: Pbx, shown: Any, problem: list[str], notice: str = ""
) -> Any:
    recipe = get_recipe_of(receiver) if receiver.recipe else None
    page = render_template(
        "receivers/users.html",
        receiver=receiver,
        recipe=recipe,
        pbx=pbx,
        users=shown,
        names={one.number: one.name for one in extensions.list_extensions(pbx)},
        problem=problem,
        notice=notice,
    )
    return page, 422 if problem else 200


def _offered_extensions(pbx: Pbx) -> list[Extension]:
    """Return the extensions whose requests the user may change."""
    return [one for one in extensions.list_extensions(pbx) if may(Right.EDIT, pbx, one)]


def _chosen_extensions(pbx: Pbx, offered: list[Extension]) -> list[Extension] | None:
    """Return the ticked extensions, None for all; raises InvalidError."""
    if "all" in request.form:
        if not may(Right.EDIT, pbx):
            abort(403)
        return None
    ticked = set(request.form.getlist("extension"))
    chosen = [one for one in offered if one.id in ticked]
    if not chosen:
        raise InvalidError.of("extension", "Tick the extensions, or 'All extensions'.")
    return chosen


def _ticked_requests(recipe: Any) -> set[str]:
    if request.method == "POST":
        return set(request.form.getlist("request"))
    return {one.name for one in recipe.requests if one.is_default}


def _read_upload() -> str:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise InvalidError.of("users", "Choose a CSV file.")
    content: bytes = file.read(MAX_CSV_BYTES + 1)
    if len(content) > MAX_CSV_BYTES:
        raise InvalidError.of("users", "The file must be at most 1 MB.")
    return decode(content, field="users")


def _describe(created: int, kept: int) -> str:
    text = f"Made {counted(created, 'request')}."
    if kept == 1:
        text += " One existed already and stays as it is."
    elif kept:
        text += f" {kept:,} existed already and stay as they are."
    return text
