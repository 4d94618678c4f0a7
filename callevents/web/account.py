"""Sign in, sign out, change the password, choose the theme."""

from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, session, url_for
from flask_login import current_user, login_required, login_user, logout_user

from callevents import users
from callevents.errors import InvalidError, SignInError, TooManyAttemptsError
from callevents.extensions import db
from callevents.forms import EmptyForm, PasswordForm, SignInForm
from callevents.models import User
from callevents.web import hx
from callevents.web.hx import Answer

bp = Blueprint("account", __name__)

THEMES = ("system", "light", "dark")
THEME_COOKIE = "callevents_theme"
YEAR_SECONDS = 365 * 24 * 3600


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Answer | str | tuple[str, int]:
    """Show the sign-in form; sign in."""
    if request.method == "GET" and current_user.is_authenticated:
        return redirect(url_for("home.index"))
    form, code = SignInForm(), 200
    if form.validate_on_submit():
        try:
            user = users.sign_in(
                form.username.data or "", form.password.data or "", request.remote_addr or ""
            )
            db.session.commit()
            _begin_session(user)
            return redirect(_way_back() or url_for("home.index"), code=303)
        except (SignInError, TooManyAttemptsError) as error:
            # Committed too, so that the failure counts.
            db.session.commit()
            form.form_errors.append(str(error))
            code = 429 if isinstance(error, TooManyAttemptsError) else 422
    return render_template("sign_in.html", form=form), code


@bp.post("/sign-out")
def sign_out() -> Answer:
    """Sign out."""
    logout_user()
    session.clear()
    return hx.go("You have signed out.", url_for("account.sign_in"))


@bp.route("/account/password", methods=["GET", "POST"])
@login_required
def password() -> Answer | str | tuple[str, int]:
    """Show the form for a new password; change the password."""
    form = PasswordForm()
    if not form.is_submitted():
        return render_template("password.html", form=form)
    try:
        users.change_password(current_user, form.current.data or "", form.new.data or "")
    except InvalidError as error:
        form.show(error)
        return render_template("password.html", form=form), 422
    user_id = current_user.id
    db.session.commit()
    _begin_session(db.session.get_one(User, user_id))
    return hx.go("Your password is changed. Other sessions are ended.", url_for("home.index"))


@bp.post("/account/theme")
def theme() -> Answer:
    """Choose light, dark, or what the system has."""
    chosen = request.form.get("theme", "")
    response = make_response(redirect(_referring_page(), code=303))
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            chosen,
            max_age=YEAR_SECONDS,
            samesite="Lax",
            httponly=True,
            secure=request.is_secure,
        )
    return response


@bp.app_context_processor
def _forms() -> dict[str, object]:
    """Give every page what the bar at its top needs."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return {"bar_form": EmptyForm(), "theme": chosen if chosen in THEMES else "system"}


def _begin_session(user: User) -> None:
    """Begin a new session, so that one that somebody else may know is worth nothing."""
    session.clear()
    login_user(user)
    session.permanent = True


def _way_back() -> str | None:
    """Return the page that was asked for before signing in, if it is one of ours."""
    return _own_path(request.args.get("next", ""))


def _referring_page() -> str:
    """Return the page of ours that the form was on."""
    parts = urlsplit(request.referrer or "")
    is_ours = parts.netloc == request.host
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return (_own_path(path) if is_ours else None) or url_for("home.index")


def _own_path(text: str) -> str | None:
    """Return the text if it is the path of a page of ours, and nothing that leads elsewhere."""
    parts = urlsplit(text)
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_path and not parts.netloc and not parts.scheme else None
