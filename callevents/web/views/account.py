"""Sign in, sign out, change the password, choose the theme."""

from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import current_user

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.session import begin_write
from callevents.enums import SignInMethod
from callevents.errors import RetryLaterError, SignInError
from callevents.extensions import db
from callevents.users import sessions, sign_in, users
from callevents.users.hashing import hash_password
from callevents.users.passwords import check_password
from callevents.users.second_factor import second_factor
from callevents.web import half_sign_in, htmx, login, single_sign_on
from callevents.web.access import (
    no_write_transaction,
    open_without_second_factor,
    own_account,
    public,
)
from callevents.web.device_cookie import find_device_id, set_device_cookie
from callevents.web.forms import PasswordForm, SignInForm
from callevents.web.password_check import REFUSALS, note_refusal, refused
from callevents.web.template_filters import THEME_COOKIE, THEMES

bp = Blueprint("account", __name__)

ONE_YEAR_SECONDS = 365 * 24 * 3600


@bp.get("/sign-in")
@public
def show_sign_in() -> Any:
    """Show the sign-in form."""
    if login.find_current_user():
        return redirect(url_for("onboarding.show"))
    half_sign_in.end()
    return render_template("account/sign_in.html", form=SignInForm(), problem="")


@bp.post("/sign-in")
@public
@no_write_transaction
def do_sign_in() -> Any:
    """Sign in, and redirect to the page that was requested before."""
    form = SignInForm(request.form)
    username, password = form.username.data or "", form.password.data or ""
    client = login.find_client(username)
    try:
        attempt = sign_in.verify_password(username, password, client)
        # Lock the database only after the slow comparison of passwords.
        begin_write()
        user = sign_in.finish(attempt)
    except (SignInError, RetryLaterError) as error:
        # Commit too, so that the failure counts.
        db.session.commit()
        page = render_template("account/sign_in.html", form=form, problem=str(error))
        return refused(page, error)
    if second_factor.has_any(user):
        half_sign_in.begin(user)
        db.session.commit()
        return redirect(url_for("sign_in_code.show"), code=303)
    return login.complete_sign_in(user, client.device_id, SignInMethod.PASSWORD)


@bp.post("/sign-out")
@own_account
@open_without_second_factor
def sign_out() -> Any:
    """Sign out, also at the provider of single sign-on."""
    audit.record(audit.Action.SIGNED_OUT, of_user(current_user))
    login.end_session()
    # Before the provider is asked, which takes a while.
    db.session.commit()
    if found := single_sign_on.find_sign_out():
        provider, url = found
        page = render_template("account/signed_out.html", provider=provider, url=url)
        # A redirect would be refused: the policy of our forms allows no other site.
        return (page, {"Refresh": f"0; url={url}"}) if url else page
    return htmx.redirect_to(url_for("account.show_sign_in"), "You have signed out.")


@bp.get("/account")
@own_account
def show() -> str:
    """Show the account of the current user."""
    return render_template(
        "account/show.html",
        factor=second_factor.find(current_user),
        sessions=sessions.list_sessions(current_user),
        current_id=login.find_session_id(),
    )


@bp.get("/account/password")
@own_account
def show_password() -> str:
    """Show the form that changes the password."""
    return render_template("account/password.html", form=PasswordForm())


@bp.post("/account/password")
@own_account
@no_write_transaction
def change_password() -> Any:
    """Change the password, which ends the user's other sessions."""
    form = PasswordForm(request.form)
    device_id = find_device_id(current_user.username)
    try:
        _change_password(form.current.data or "", form.new.data or "")
    except REFUSALS as error:
        note_refusal(form, error)
        return refused(render_template("account/password.html", form=form), error)
    response = htmx.redirect_to(url_for("account.show"), "Your password was changed.")
    set_device_cookie(response, current_user, device_id)
    return response


@bp.post("/account/theme")
@public
@no_write_transaction
def choose_theme() -> Any:
    """Store the theme in a cookie: light, dark or system."""
    theme = request.form.get("theme", "")
    if theme not in THEMES:
        abort(400, "Unknown theme.")
    response = redirect(url_for("account.show"), code=303)
    if htmx.is_htmx():
        htmx.trigger("theme", name=theme)
        response = Response(status=204)
    response.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=ONE_YEAR_SECONDS,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _change_password(current: str, new: str) -> None:
    """Raise SignInError or RetryLaterError about `current`, InvalidError about `new`."""
    username = current_user.username
    client = login.find_session_client()
    attempt = sign_in.verify_password(username, current, client)
    new_hash = ""
    if attempt.is_correct:
        check_password(new, username, current=current, field="new")
        new_hash = hash_password(new, is_known=client.is_known)
    begin_write()
    user = sign_in.finish(attempt)
    users.change_password(user, new_hash)
    login.start_session(user, login.find_method())
    db.session.commit()
