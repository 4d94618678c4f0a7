"""The user's own sessions: end one, end all others."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_login import current_user

from callevents import audit
from callevents.audit.targets import of_user
from callevents.extensions import db
from callevents.users import sessions
from callevents.web import htmx, login
from callevents.web.access import own_account

bp = Blueprint("sessions", __name__, url_prefix="/account/sessions")


@bp.post("/<id:session_id>/end")
@own_account
def end(session_id: str) -> Any:
    """End one session."""
    sessions.end_session(current_user, session_id)
    audit.record(audit.Action.SESSION_ENDED, of_user(current_user), after={"sessions": "one"})
    db.session.commit()
    return _finish("The session has ended.")


@bp.post("/end-others")
@own_account
def end_others() -> Any:
    """End all sessions but this one."""
    sessions.end_sessions(current_user, keep=login.find_session_id())
    audit.record(audit.Action.SESSION_ENDED, of_user(current_user), after={"sessions": "others"})
    db.session.commit()
    return _finish("All other sessions have ended.")


def _finish(text: str) -> Any:
    """Return the list for htmx, else redirect to its page."""
    htmx.toast(text)
    if not htmx.is_htmx():
        return redirect(url_for("account.show"), code=303)
    return render_template(
        "account/_sessions.html",
        sessions=sessions.list_sessions(current_user),
        current_id=login.find_session_id(),
    )
