"""The session cookie, and who is signed in."""

from flask import Flask, request
from flask import session as cookie
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, login_user, logout_user

from callevents.db.models import User
from callevents.extensions import login
from callevents.users import find_user

#: Where somebody wanted to go before signing in.
NEXT_PATH_KEY = "wanted"
#: The slug of the PBX last looked at.
LAST_PBX_KEY = "pbx"


class _SessionInterface(SecureCookieSessionInterface):
    """Sends the cookie over TLS only, wherever the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002  # Flask's signature
        """Return whether the cookie is for TLS only."""
        return request.is_secure


def init_app(app: Flask) -> None:
    """Set up the cookie and Flask-Login."""
    app.session_interface = _SessionInterface()
    login.init_app(app)
    login.user_loader(find_user)
    # The cookie is signed. Addresses change at will, with phones and behind proxies.
    login.session_protection = None


def start_session(user: User) -> str | None:
    """Begin a new session for the user; return the path that was wanted before, if any."""
    wanted: str | None = cookie.get(NEXT_PATH_KEY)
    cookie.clear()
    cookie.permanent = True
    login_user(user)
    return wanted


def end_session() -> None:
    """End the session, without anything left of it."""
    logout_user()
    cookie.clear()


def find_current_user() -> User | None:
    """Return who is signed in, None if nobody is."""
    return current_user if current_user.is_authenticated else None
