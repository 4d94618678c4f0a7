"""The second step of signing in: a code after the password."""

from typing import Any

from flask import Blueprint, render_template, request, url_for

from callevents.db.session import begin_write
from callevents.enums import SignInMethod
from callevents.errors import RetryLaterError, SignInError
from callevents.users.second_factor import second_factor
from callevents.web import half_sign_in, htmx, login, password_check
from callevents.web.access import no_write_transaction, public
from callevents.web.forms import CodeForm

bp = Blueprint("sign_in_code", __name__, url_prefix="/sign-in/code")

EXPIRED = "Enter your password again: it is needed within 5 minutes before the code."


@bp.get("")
@public
def show() -> Any:
    """Ask for the code."""
    user = half_sign_in.find_user()
    if user is None:
        return _ask_for_password()
    return _page(CodeForm(), second_factor.find(user))


@bp.post("")
@public
@no_write_transaction
def enter() -> Any:
    """Sign in if the code is right."""
    form = CodeForm(request.form)
    begin_write()
    user = half_sign_in.find_user()
    if user is None:
        return _ask_for_password()
    client = login.find_client(user.username)
    try:
        second_factor.verify_code(user, form.code.data or "", client)
    except (SignInError, RetryLaterError) as error:
        password_check.note_refusal(form, error, field="code")
        return password_check.refused(_page(form, second_factor.find(user)), error)
    return login.complete_sign_in(user, client.device_id, SignInMethod.PASSWORD)


def _page(form: CodeForm, factor: second_factor.SecondFactor) -> str:
    return render_template("account/sign_in_code.html", form=form, factor=factor)


def _ask_for_password() -> Any:
    half_sign_in.end()
    return htmx.redirect_to(url_for("account.show_sign_in"), EXPIRED)
