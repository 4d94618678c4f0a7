"""The session cookie and the current user."""

from flask import Flask, Response, g, make_response, redirect, request, url_for
from flask import session as cookie
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, login_user, logout_user

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import User
from callevents.enums import SignInMethod
from callevents.extensions import app_state, db, login
from callevents.security.client_network import find_client_address
from callevents.users import sessions
from callevents.users.delays import Client
from callevents.users.local_accounts import is_allowed
from callevents.users.second_factor import second_factor
from callevents.web.browser_names import name_browser
from callevents.web.cookies import cookie_name
from callevents.web.device_cookie import find_device_id, set_device_cookie

#: Session key: the token of the session's row.
TOKEN_KEY = "token"  # noqa: S105  # a key, no secret
#: Session key: the path to open after signing in.
NEXT_PATH_KEY = "wanted"
#: Session key: the slug of the PBX that was viewed last.
LAST_PBX_KEY = "pbx"


class _SessionInterface(SecureCookieSessionInterface):
    """Marks the cookie as secure, by attribute and name, if the request came over TLS."""

    def get_cookie_name(self, app: Flask) -> str:
        """Return the cookie's name."""
        return cookie_name(super().get_cookie_name(app))

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002  # Flask's signature
        """Return True if the cookie is for TLS only."""
        return request.is_secure


def init_app(app: Flask) -> None:
    """Set up the session cookie and Flask-Login."""
    app.session_interface = _SessionInterface()
    app.permanent_session_lifetime = sessions.LIFETIME
    login.init_app(app)
    login.user_loader(_load_user)
    # The cookie is signed. IP addresses of clients change, on phones and behind proxies.
    login.session_protection = None


def complete_sign_in(user: User, device_id: str | None, method: SignInMethod) -> Response:
    """Start a session, commit, and redirect to the page that was requested before."""
    start_session(user, method)
    record_sign_in(user, method)
    db.session.commit()
    response = redirect_to_next()
    set_device_cookie(response, user, device_id)
    return response


def record_sign_in(user: User, method: SignInMethod, provider: str = "") -> None:
    """Record in the history that the user has signed in."""
    after = {"with": method.value} | ({"provider": provider} if provider else {})
    audit.record(audit.Action.SIGNED_IN, of_user(user), after=after)


def redirect_to_next() -> Response:
    """Redirect to the page that was requested before signing in."""
    return make_response(
        redirect(cookie.pop(NEXT_PATH_KEY, None) or url_for("onboarding.show"), 303)
    )


def start_session(user: User, method: SignInMethod, provider: str = "", id_token: str = "") -> None:
    """Start a new session for the user, with all that single sign-on has to keep.

    Ends the browser's current session. The caller commits.
    """
    next_path: str | None = cookie.get(NEXT_PATH_KEY)
    end_session()
    browser = name_browser(request.user_agent.string)
    address = request.remote_addr or ""
    cookie[TOKEN_KEY] = sessions.start_session(user, browser, address, method, provider, id_token)
    cookie.permanent = True
    login_user(user)
    g.session_method = method
    if next_path:
        cookie[NEXT_PATH_KEY] = next_path


def end_session() -> None:
    """End the browser's session, if it has one, and delete its data. The caller commits."""
    if (user := find_current_user()) and (session_id := find_session_id()):
        sessions.end_session(user, session_id)
    logout_user()
    cookie.clear()


def find_current_user() -> User | None:
    """Return the current user, None if not signed in."""
    return current_user if current_user.is_authenticated else None


def find_session_id() -> str | None:
    """Return the ID of the browser's session, None if not signed in."""
    found: str | None = g.get("session_id")
    return found


def find_method() -> SignInMethod:
    """Return how the browser's session was started."""
    found: SignInMethod = g.session_method
    return found


def find_provider_session() -> tuple[str, str]:
    """Return the provider's slug and encrypted token of the browser's session, if any."""
    found: tuple[str, str] = g.get("provider_session", ("", ""))
    return found


def lacks_second_factor() -> bool:
    """Return True if the current user has to set up a second factor before anything else."""
    user = find_current_user()
    if user is None or find_method() is SignInMethod.SINGLE_SIGN_ON:
        return False
    return second_factor.is_missing(user)


def find_client(username: str) -> Client:
    """Return where this request to sign in as that user comes from."""
    return Client(_find_address(), find_device_id(username))


def find_session_client() -> Client:
    """Return the browser's session as the device: failures of strangers do not count for it."""
    return Client(_find_address(), find_session_id())


def _load_user(user_id: str) -> User | None:
    """Return the user of the browser's session, None if it has ended."""
    session = sessions.find_session(cookie.get(TOKEN_KEY, ""))
    if session is None or str(session.user_id) != user_id:
        return None
    if session.method is not SignInMethod.SINGLE_SIGN_ON and not is_allowed(session.user):
        return None
    g.session_id, g.session_method = session.id, session.method
    g.provider_session = (session.provider, session.id_token)
    sessions.note_seen(session, request.remote_addr or "")
    return session.user


def _find_address() -> str | None:
    """Return the client's address, None if the request names only that of a trusted proxy."""
    return find_client_address(
        request.remote_addr,
        request.headers.get("X-Forwarded-For", ""),
        app_state().settings.trusted_proxies,
    )
