"""The session cookie and the current user."""

from flask import Flask, request
from flask import session as cookie
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, login_user, logout_user

from callevents.db.models import User
from callevents.extensions import login
from callevents.users import find_user

#: Session key: the path to open after signing in.
NEXT_PATH_KEY = "wanted"
#: Session key: the slug of the PBX that was viewed last.
LAST_PBX_KEY = "pbx"


class _SessionInterface(SecureCookieSessionInterface):
    """Marks the cookie as secure if the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002  # Flask's signature
        """Return True if the cookie is for TLS only."""
        return request.is_secure


def init_app(app: Flask) -> None:
    """Set up the session cookie and Flask-Login."""
    app.session_interface = _SessionInterface()
    login.init_app(app)
    login.user_loader(find_user)
    # The cookie is signed. IP addresses of clients change, on phones and behind proxies.
    login.session_protection = None


def start_session(user: User) -> str | None:
    """Start a new session for the user; return the path that was requested before, if any."""
    next_path: str | None = cookie.get(NEXT_PATH_KEY)
    cookie.clear()
    cookie.permanent = True
    login_user(user)
    return next_path


def end_session() -> None:
    """End the session and delete its data."""
    logout_user()
    cookie.clear()


def find_current_user() -> User | None:
    """Return the current user, None if not signed in."""
    return current_user if current_user.is_authenticated else None
