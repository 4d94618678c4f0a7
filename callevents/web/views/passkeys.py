"""The user's passkeys: add one, remove one."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_login import current_user

from callevents.db.session import begin_write
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users.second_factor import passkeys, second_factor
from callevents.web import challenges, htmx
from callevents.web.access import no_write_transaction, open_without_second_factor, own_account
from callevents.web.forms import ConfirmForm, PasskeyForm
from callevents.web.password_check import REFUSALS, note_refusal, refused, verify_current
from callevents.web.relying_party import find_relying_party
from callevents.web.views.second_factor import finish_set_up, page

bp = Blueprint("passkeys", __name__, url_prefix="/account/passkeys")

EXPIRED = "This page has expired. Add the passkey again."


@bp.get("/add")
@own_account
@open_without_second_factor
def show_add() -> str:
    """Ask for the name of a new passkey."""
    return _add_page(PasskeyForm())


@bp.post("/add")
@own_account
@open_without_second_factor
@no_write_transaction
def begin_adding() -> Any:
    """Show the button with which the browser makes the passkey."""
    # Most processes never need the packages for it.
    from callevents.users.second_factor import ceremonies  # noqa: PLC0415

    form = PasskeyForm(request.form)
    party = find_relying_party()
    if party is None:
        return htmx.redirect_to(url_for(".show_add"))
    try:
        user = verify_current(form.current.data or "")
        name = passkeys.check_new(user, form.name.data or "")
    except REFUSALS as error:
        note_refusal(form, error)
        return refused(_add_page(form), error)
    ceremony = ceremonies.begin_adding(user, party)
    db.session.commit()
    challenges.put(_purpose(name), ceremony.challenge)
    return page("second_factor/passkey_make.html", name=name, options=ceremony.options)


@bp.post("/make")
@own_account
@open_without_second_factor
@no_write_transaction
def finish_adding() -> Any:
    """Store the passkey that the browser made."""
    from callevents.users.second_factor import ceremonies  # noqa: PLC0415  # as above

    name = request.form.get("name", "")
    # The cookie is signed: the password was entered for this name.
    challenge, party = challenges.take(_purpose(name)), find_relying_party()
    if challenge is None or party is None:
        return htmx.redirect_to(url_for(".show_add"), EXPIRED)
    begin_write()
    try:
        answer = request.form.get("credential", "")
        ceremonies.finish_adding(current_user, party, challenge, answer, name)
    except InvalidError as error:
        form = PasskeyForm(request.form)
        note_refusal(form, error)
        return refused(_add_page(form), error)
    return finish_set_up(current_user, "The passkey is added.")


@bp.route("/<id:passkey_id>/remove", methods=["GET", "POST"])
@own_account
@no_write_transaction
def remove(passkey_id: str) -> Any:
    """Remove a passkey after the password."""
    passkey = passkeys.get_passkey(current_user, passkey_id)
    if request.method == "GET":
        return render_template("second_factor/remove.html", passkey=passkey, form=ConfirmForm())
    form = ConfirmForm(request.form)
    try:
        user = verify_current(form.current.data or "")
    except REFUSALS as error:
        note_refusal(form, error)
        template = "second_factor/remove.html"
        return refused(render_template(template, passkey=passkey, form=form), error)
    name = passkey.name
    passkeys.remove(user, passkey_id)
    second_factor.remove_unneeded_codes(user)
    db.session.commit()
    return htmx.redirect_to(url_for("account.show"), f"The passkey {name} is removed.")


def _add_page(form: PasskeyForm) -> str:
    return page("second_factor/passkey_add.html", form=form, is_possible=bool(find_relying_party()))


def _purpose(name: str) -> str:
    return f"add:{current_user.id}:{name}"
