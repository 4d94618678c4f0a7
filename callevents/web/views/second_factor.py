"""The user's second factor: set up an app, renew the recovery codes, turn it off."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask import session as cookie
from flask_login import current_user

from callevents.db.models import User
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.users import sessions
from callevents.users.second_factor import app_codes, recovery_codes, second_factor
from callevents.web import htmx, login
from callevents.web.access import no_write_transaction, open_without_second_factor, own_account
from callevents.web.forms import AppForm, ConfirmForm
from callevents.web.password_check import REFUSALS, note_refusal, refused, verify_current
from callevents.web.qr_code import qr_code

bp = Blueprint("second_factor", __name__, url_prefix="/account/second-factor")

#: Session key: the key of an app that is being set up, encrypted.
SETUP_KEY = "app"


@bp.get("")
@own_account
@open_without_second_factor
def show() -> Any:
    """Show what the user can sign in with."""
    return page("second_factor/show.html", factor=second_factor.find(current_user))


@bp.get("/app")
@own_account
@open_without_second_factor
def show_app() -> Any:
    """Show the QR code of a new key, the same until it is confirmed."""
    if SETUP_KEY not in cookie:
        cookie[SETUP_KEY] = cipher.encrypt(app_codes.make_secret())
    return _app_page(AppForm(), cipher.bound.decrypt(cookie[SETUP_KEY]))


@bp.post("/app")
@own_account
@open_without_second_factor
@no_write_transaction
def set_up_app() -> Any:
    """Store the key after a code of the app; show new recovery codes."""
    if SETUP_KEY not in cookie:
        return htmx.redirect_to(url_for(".show_app"), "This page has expired. Scan the code again.")
    form = AppForm(request.form)
    secret = cipher.bound.decrypt(cookie[SETUP_KEY])
    try:
        user = verify_current(form.current.data or "")
        app_codes.set_up(user, secret, form.code.data or "")
    except REFUSALS as error:
        note_refusal(form, error)
        return refused(_app_page(form, secret), error)
    del cookie[SETUP_KEY]
    return finish_set_up(user, "The app is set up.")


@bp.route("/turn-off", methods=["GET", "POST"])
@own_account
@no_write_transaction
def turn_off() -> Any:
    """Forget the app."""
    if request.method == "GET":
        return _turn_off_page(ConfirmForm())
    form = ConfirmForm(request.form)
    try:
        user = verify_current(form.current.data or "")
    except REFUSALS as error:
        note_refusal(form, error)
        return refused(_turn_off_page(form), error)
    second_factor.turn_off_app(user)
    db.session.commit()
    return htmx.redirect_to(url_for("account.show"), "The app is turned off.")


@bp.route("/recovery-codes", methods=["GET", "POST"])
@own_account
@no_write_transaction
def renew_codes() -> Any:
    """Replace the recovery codes and show the new ones once."""
    if request.method == "GET":
        return _renew_page(ConfirmForm())
    form = ConfirmForm(request.form)
    try:
        user = verify_current(form.current.data or "")
        _check_has_factor(user)
    except REFUSALS as error:
        note_refusal(form, error)
        return refused(_renew_page(form), error)
    codes = recovery_codes.renew(user)
    db.session.commit()
    return page("second_factor/codes.html", codes=codes, sentence="The former codes are void.")


def page(template: str, **context: object) -> str:
    """Return the page, without the bar for a user who has to set up a second factor first."""
    is_required = login.lacks_second_factor()
    layout = "layouts/bare.html" if is_required else "layouts/app.html"
    return render_template(template, layout=layout, is_required=is_required, **context)


def finish_set_up(user: User, sentence: str) -> str:
    """Commit; end the other sessions and show recovery codes, if the user has none yet."""
    is_first = not recovery_codes.count(user)
    codes = recovery_codes.renew(user) if is_first else ()
    if is_first:
        # They were started with the password alone.
        sessions.end_sessions(user, keep=login.find_session_id())
        sentence += " Your other sessions have ended."
    db.session.commit()
    # Where the user was before a second factor was required.
    next_path = cookie.pop(login.NEXT_PATH_KEY, None)
    return page("second_factor/codes.html", codes=codes, sentence=sentence, next_path=next_path)


def _check_has_factor(user: User) -> None:
    if not second_factor.has_any(user):
        raise InvalidError.of("", "Set up an app or a passkey first.")


def _app_page(form: AppForm, secret: str) -> str:
    image = qr_code(app_codes.provisioning_uri(secret, current_user.username))
    return page("second_factor/app.html", form=form, secret=secret, image=image)


def _turn_off_page(form: ConfirmForm) -> str:
    return page("second_factor/turn_off.html", form=form)


def _renew_page(form: ConfirmForm) -> str:
    return page("second_factor/renew.html", form=form)
