"""Receivers: list, add by a recipe or an address, show, change, test, remove."""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user

from callevents.counted import counted
from callevents.db.models import Pbx, Receiver
from callevents.delivery.request.url import origin_of
from callevents.enums import Right
from callevents.errors import CallEventsError, ConflictError, InvalidError
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.pbxs import pbxs
from callevents.pbxs.extensions import get_extension_by_number
from callevents.receivers import receivers
from callevents.receivers.changing import make_changed
from callevents.receivers.connect import list_connected
from callevents.receivers.left_out import explain, find_left_out
from callevents.receivers.receivers import Updated
from callevents.receivers.recipe_files import find_recipe, get_recipe, load_recipes
from callevents.receivers.shown import shown_address
from callevents.receivers.status import find_recent, find_status, find_statuses, try_now
from callevents.receivers.test_request import ReceiverTest, send_receiver_test
from callevents.web import dialogs, htmx
from callevents.web.access import (
    may,
    no_write_transaction,
    requires_somewhere,
    scope_of,
)
from callevents.web.dialogs import submitted_form
from callevents.web.receiver_form import PlainForm, RecipeForm

bp = Blueprint("receivers", __name__, url_prefix="/receivers")

#: In the order of the page.
CATEGORIES = ("CRM", "Help desk", "Chat", "Notification", "Automation", "Log")


def get_visible(name: str) -> Receiver:
    """Return the receiver if the user may see it; raises NotFoundError."""
    return receivers.get_receiver(name, scope_of(Right.SEE))


def may_manage(receiver: Receiver) -> bool:
    """Return True if the user may change the receiver."""
    return may(Right.MANAGE, receiver.pbx) if receiver.pbx else may(Right.ADMINISTER)


def get_managed(name: str) -> Receiver:
    """Return the receiver; raises NotFoundError, or aborts if the user may not change it."""
    receiver = get_visible(name)
    if not may_manage(receiver):
        abort(403)
    return receiver


@bp.get("")
@requires_somewhere(Right.SEE)
def index() -> str:
    """List the receivers; without any, show the recipes."""
    found = receivers.list_receivers(scope_of(Right.SEE))
    return render_template(
        "receivers/index.html",
        receivers=found,
        statuses=find_statuses(found),
        recipes=load_recipes().found,
        groups=_group_recipes(),
        shown_address=shown_address,
    )


@bp.get("/new")
@requires_somewhere(Right.MANAGE)
def choose() -> str:
    """Show the recipes."""
    return render_template("receivers/choose.html", groups=_group_recipes())


@bp.route("/new/<recipe_name>", methods=["GET", "POST"])
@requires_somewhere(Right.MANAGE)
def add(recipe_name: str) -> Any:
    """Show the questions of the recipe; add the receiver."""
    recipe = get_recipe(recipe_name)
    form = RecipeForm.of(recipe, submitted_form())
    if request.method == "POST":
        try:
            receiver = receivers.create_receiver(form.to_data(recipe))
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            htmx.toast(f"{receiver.name} is added. Choose the extensions that use it.")
            return redirect(url_for("receiver_extensions.choose", name=receiver.slug), code=303)
    page = render_template("receivers/add.html", recipe=recipe, form=form)
    return page, 422 if form.errors else 200


@bp.route("/new-address", methods=["GET", "POST"])
@requires_somewhere(Right.MANAGE)
def add_address() -> Any:
    """Show the form of a receiver without a recipe; add it."""
    form = PlainForm.of(submitted_form())
    if request.method == "POST":
        try:
            receiver = receivers.create_receiver(form.to_data())
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            htmx.toast(f"{receiver.name} is added.")
            return redirect(url_for(".show", name=receiver.slug), code=303)
    page = render_template("receivers/add_address.html", form=form)
    return page, 422 if form.errors else 200


@bp.get("/<name>")
@requires_somewhere(Right.SEE)
def show(name: str) -> str:
    """Show a receiver: its state, its requests by PBX, and what it got lately."""
    receiver = get_visible(name)
    scope = scope_of(Right.SEE)
    hooks = [hook for hook in list_connected(receiver) if may(Right.SEE, hook.pbx, hook.extension)]
    return render_template(
        "receivers/show.html",
        receiver=receiver,
        address=shown_address(receiver),
        origin=origin_of(receiver.address),
        recipe=find_recipe(receiver.recipe) if receiver.recipe else None,
        status=find_status(receiver),
        recent=find_recent(receiver) if scope.is_all else None,
        pbxs=_usable_pbxs(receiver),
        hooks=hooks,
        may_manage=may_manage(receiver),
        may_edit=bool(_editable_pbxs(receiver)),
    )


@bp.route("/<name>/edit", methods=["GET", "POST"])
@requires_somewhere(Right.MANAGE)
def edit(name: str) -> Any:
    """Show the form; change the receiver, and with its address the URLs of its requests."""
    receiver = get_managed(name)
    recipe = get_recipe(receiver.recipe) if receiver.recipe else None
    form: RecipeForm | PlainForm
    if recipe:
        form = RecipeForm.of(recipe, submitted_form(), receiver)
    else:
        form = PlainForm.of(submitted_form(), receiver)
    if request.method == "POST":
        try:
            changed = make_changed(receiver, form.to_changes(receiver))
            done = receivers.update_receiver(receiver, changed)
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            wake()
            htmx.toast(f"Saved.{_describe_update(done)}")
            return redirect(url_for(".show", name=name), code=303)
    missing = find_left_out(receiver)
    page = render_template(
        "receivers/edit.html",
        receiver=receiver,
        recipe=recipe,
        form=form,
        missing=missing,
        needs=explain(receiver, missing),
    )
    return page, 422 if form.errors else 200


@bp.route("/<name>/remove", methods=["GET", "POST"])
@requires_somewhere(Right.MANAGE)
def remove(name: str) -> Any:
    """Confirm; remove a receiver that has no requests."""
    receiver = get_managed(name)
    problem = ""
    if request.method == "POST":
        text = f"The receiver {receiver.name} was removed."
        try:
            receivers.remove_receiver(receiver)
        except ConflictError as error:
            db.session.rollback()
            problem = str(error)
        else:
            db.session.commit()
            return htmx.redirect_to(url_for(".index"), text)
    return dialogs.show(
        "receivers/remove.html",
        status=409 if problem else 200,
        receiver=receiver,
        problem=problem,
        count=receivers.count_hooks(receiver),
    )


@bp.route("/<name>/test", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
@no_write_transaction
def test(name: str) -> Any:
    """Show the form; send the recipe's test request and show the answer."""
    receiver = get_visible(name)
    recipe = get_recipe(receiver.recipe)
    choices = _editable_pbxs(receiver)
    if not choices:
        abort(403)
    done: ReceiverTest | None = None
    problem = ""
    slug, number = request.form.get("pbx", choices[0].slug), request.form.get("extension", "")
    if request.method == "POST":
        try:
            done = _send_test(receiver, choices, slug, number.strip())
        except CallEventsError as error:
            db.session.rollback()
            problem = str(error)
    return dialogs.show(
        "receivers/test.html",
        receiver=receiver,
        recipe=recipe,
        pbxs=choices,
        slug=slug,
        number=number,
        done=done,
        problem=problem,
    )


@bp.post("/<name>/try-now")
@requires_somewhere(Right.EDIT)
def try_again(name: str) -> Any:
    """Send a delivery to a paused receiver as a probe, without waiting for the end of the pause."""
    receiver = get_visible(name)
    if not _editable_pbxs(receiver):
        abort(403)
    if try_now(receiver):
        db.session.commit()
        wake()
        htmx.toast("A delivery is sent as a probe now. If there is a response, the others follow.")
    else:
        htmx.toast(f"{receiver.name} is not paused.")
    return redirect(url_for(".show", name=name), code=303)


def _send_test(receiver: Receiver, choices: list[Pbx], slug: str, number: str) -> ReceiverTest:
    """Send the test request of an extension; raises CallEventsError."""
    pbx = pbxs.get_pbx(slug)
    if pbx not in choices:
        raise InvalidError.of("pbx", "Choose one of the PBXs.")
    if number:
        get_extension_by_number(pbx, number)
    return send_receiver_test(receiver, pbx, current_user.id, extension=number)


def _usable_pbxs(receiver: Receiver) -> list[Pbx]:
    """Return the PBXs that the user sees and whose requests can use the receiver."""
    listed = pbxs.list_pbxs(scope_of(Right.SEE))
    return [pbx for pbx in listed if receiver.pbx_id in (None, pbx.id)]


def _editable_pbxs(receiver: Receiver) -> list[Pbx]:
    """Return the PBXs for which the user may test and probe the receiver.

    The owner of an extension may not.
    """
    return [pbx for pbx in _usable_pbxs(receiver) if may(Right.EDIT, pbx)]


def _group_recipes() -> list[tuple[str, list[Any]]]:
    """Return the recipes by category, in the order of CATEGORIES."""
    found = load_recipes().found.values()
    groups = [(one, [recipe for recipe in found if recipe.category == one]) for one in CATEGORIES]
    return [(category, listed) for category, listed in groups if listed]


def _describe_update(done: Updated) -> str:
    text = ""
    if done.moved:
        text += f" {done.moved:,} request{'s use' if done.moved != 1 else ' uses'} the new address."
    if done.resumed:
        text += f" {counted(done.resumed, 'request')} resumed: new calls are sent again."
    return text
