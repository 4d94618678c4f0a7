"""Users: list, invite, change roles, disable, enable, reset the password, end sessions, remove."""

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user

from callevents.api_access.api_tokens import count_valid_tokens
from callevents.api_access.apps import list_apps
from callevents.counted import counted
from callevents.db.models import User
from callevents.enums import Right
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.users import invitations, lifecycle, sessions, users
from callevents.users.password_links import find_expiry
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.dialogs import submitted_form
from callevents.web.password_link import commit_and_hand_over
from callevents.web.public_url import find_kind
from callevents.web.user_form import InvitationForm, UserForm

bp = Blueprint("users", __name__)

USERS_CHANGED = "users-changed"


@bp.get("/users")
@requires(Right.ADMINISTER)
def index() -> str:
    """List the users."""
    template = "users/_list.html" if htmx.is_htmx() else "users/index.html"
    return render_template(template, users=users.list_users())


@bp.route("/invitations/new", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def invite() -> Any:
    """Show the form; add the user, and send the link or show it once."""
    form = InvitationForm.of(submitted_form())
    if request.method == "POST":
        try:
            user, token = invitations.invite_user(
                form.username.data or "", form.email.data or "", form.find_grants()
            )
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            return _hand_over(user, token)
    return dialogs.show("users/invite.html", status=_status(), form=form)


@bp.get("/users/<username>")
@requires(Right.ADMINISTER)
def show(username: str) -> str:
    """Show a user."""
    return _render(users.get_user(username))


@bp.route("/users/<username>/edit", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def edit(username: str) -> Any:
    """Show the form; change e-mail address and roles."""
    user = _get_other(username)
    form = UserForm.of(submitted_form(), user)
    if request.method == "POST":
        try:
            email, roles = form.email.data or "", form.find_grants()
            lifecycle.change_user(user, email=email, roles=roles)
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            page = url_for(".show", username=username)
            return dialogs.finish("Saved.", page, USERS_CHANGED)
    user = users.get_user(username)
    return dialogs.show("users/edit.html", status=_status(), user=user, form=form)


@bp.post("/users/<username>/disable")
@requires(Right.ADMINISTER)
def disable(username: str) -> Any:
    """Disable the user, which ends all sessions."""
    user = _get_other(username)
    lifecycle.disable_user(user)
    return _finish(user, f"{user.username} is disabled and signed out.{_stopping(user)}")


@bp.post("/users/<username>/enable")
@requires(Right.ADMINISTER)
def enable(username: str) -> Any:
    """Enable the user."""
    user = _get_other(username)
    lifecycle.enable_user(user)
    return _finish(user, f"{user.username} is enabled.")


@bp.post("/users/<username>/end-sessions")
@requires(Right.ADMINISTER)
def end_sessions(username: str) -> Any:
    """End all sessions of the user."""
    user = _get_other(username)
    sessions.end_sessions(user)
    return _finish(user, f"All sessions of {user.username} have ended.")


@bp.route("/users/<username>/reset-password", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def reset_password(username: str) -> Any:
    """Confirm; reset the password, and send the link or show it once."""
    user = _get_other(username)
    if request.method == "POST":
        return _hand_over(user, invitations.reset_password(user))
    invitations.check_reset(user)
    return dialogs.show("users/reset_password.html", user=user)


@bp.route("/users/<username>/remove", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def remove(username: str) -> Any:
    """Confirm; remove the user."""
    user = _get_other(username)
    if request.method == "POST":
        text = f"{user.username} was removed."
        lifecycle.remove_user(user)
        db.session.commit()
        return htmx.redirect_to(url_for(".index"), text)
    tokens, apps = count_valid_tokens(user), list_apps(user)
    return dialogs.show("users/remove.html", user=user, tokens=tokens, apps=apps)


def _get_other(username: str) -> User:
    """Return the user; raises NotFoundError, and ConflictError for the current user's own name."""
    user = users.get_user(username)
    if user.id == current_user.id:
        raise ConflictError("This is your own account. Another admin can change or remove it.")
    return user


def _stopping(user: User) -> str:
    """Return the sentence about the API tokens and apps of a user who is disabled, if any."""
    counts = {"API token": count_valid_tokens(user), "app": len(list_apps(user))}
    texts = [counted(count, one) for one, count in counts.items() if count]
    verb = "stops" if sum(counts.values()) == 1 else "stop"
    return f" {' and '.join(texts)} {verb} working." if texts else ""


def _status() -> int:
    """Return the status of a form that is shown, again if it was submitted."""
    return 422 if request.method == "POST" else 200


def _hand_over(user: User, token: str) -> Any:
    """Commit; send the link by e-mail, or show it once."""
    handed = commit_and_hand_over(user, token)
    mail = handed.mail
    if handed.is_sent:
        page = url_for(".show", username=mail.username)
        return dialogs.finish(f"The link was sent to {mail.email}.", page, USERS_CHANGED)
    htmx.trigger(USERS_CHANGED)
    return dialogs.show(
        "users/link.html", mail=mail, problem=handed.problem, address=find_kind(mail.url)
    )


def _finish(user: User, text: str) -> Any:
    """Commit; return the user's part of the page for htmx, else redirect to the page."""
    username = user.username
    db.session.commit()
    htmx.toast(text)
    if not htmx.is_htmx():
        return redirect(url_for(".show", username=username), code=303)
    return _render(users.get_user(username))


def _render(user: User) -> str:
    return render_template(
        "users/_user.html" if htmx.is_htmx() else "users/show.html",
        user=user,
        link_expires_at=find_expiry(user),
        sessions=sessions.list_sessions(user),
        has_identity=users.has_identity(user),
        tokens=count_valid_tokens(user),
        is_own=user.id == current_user.id,
    )
