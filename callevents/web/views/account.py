"""Sign in, sign out, change the password, choose the theme."""

from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import current_user

from callevents import users
from callevents.db.models import User
from callevents.db.session import begin_write
from callevents.errors import InvalidError, SignInError, TooManyAttemptsError
from callevents.extensions import db
from callevents.web import htmx, login
from callevents.web.access import no_write_transaction, public, viewers_allowed
from callevents.web.forms import PasswordForm, SignInForm
from callevents.web.template_filters import THEME_COOKIE, THEMES

bp = Blueprint("account", __name__)

ONE_YEAR_SECONDS = 365 * 24 * 3600


@bp.get("/sign-in")
@public
def sign_in() -> Any:
    """Show the sign-in form."""
    if login.find_current_user():
        return redirect(url_for("onboarding.show"))
    return render_template("account/sign_in.html", form=SignInForm(), problem="")


@bp.post("/sign-in")
@public
@no_write_transaction
def do_sign_in() -> Any:
    """Sign in, and redirect to the page that was requested before."""
    form = SignInForm(request.form)
    try:
        attempt = users.verify_password(
            form.username.data or "", form.password.data or "", request.remote_addr or ""
        )
        # Lock the database only after the slow comparison of passwords.
        begin_write()
        user = users.sign_in(attempt)
    except (SignInError, TooManyAttemptsError) as error:
        # Commit too, so that the failure counts.
        db.session.commit()
        return _refused(form, error)
    db.session.commit()
    next_path = login.start_session(user)
    return redirect(next_path or url_for("onboarding.show"), code=303)


@bp.post("/sign-out")
@viewers_allowed
@no_write_transaction
def sign_out() -> Any:
    """Sign out."""
    login.end_session()
    return htmx.redirect_to(url_for("account.sign_in"), "You have signed out.")


@bp.get("/account")
def show() -> str:
    """Show the account of the current user."""
    return render_template("account/show.html")


@bp.route("/account/password", methods=["GET", "POST"])
@viewers_allowed
@no_write_transaction
def change_password() -> Any:
    """Show the form; change the password, which ends the user's other sessions."""
    form = PasswordForm(request.form)
    if request.method == "POST":
        user_id = current_user.id
        try:
            new_hash = users.hash_new_password(
                current_user, form.current.data or "", form.new.data or ""
            )
        except InvalidError as error:
            form.add_errors(error)
        else:
            begin_write()
            user = db.session.get_one(User, user_id)
            users.change_password(user, new_hash)
            db.session.commit()
            login.start_session(user)
            return htmx.redirect_to(url_for("account.show"), "Your password was changed.")
    return render_template("account/password.html", form=form), 422 if form.errors else 200


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


def _refused(form: SignInForm, error: SignInError | TooManyAttemptsError) -> Response:
    page = render_template("account/sign_in.html", form=form, problem=str(error))
    response = make_response(page, 422)
    if isinstance(error, TooManyAttemptsError):
        response.status_code = 429
        response.headers["Retry-After"] = str(error.wait_seconds)
    return response
