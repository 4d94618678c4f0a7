"""Who may do what: everybody signs in, viewers look, admins change."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Request, abort, request, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user
from werkzeug.datastructures import MultiDict

from callevents.extensions import begin_write, login
from callevents.users import find_user
from callevents.web import hx
from callevents.web.hx import Answer

View = Callable[..., Any]
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class SessionInterface(SecureCookieSessionInterface):
    """Sessions whose cookie is Secure whenever the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether the cookie may travel over TLS only."""
        return super().get_cookie_secure(app) or request.is_secure


def init_app(app: Flask) -> None:
    """Set up sessions and sign-in."""
    app.session_interface = SessionInterface()
    login.init_app(app)
    login.session_protection = None
    login.user_loader(find_user)
    login.unauthorized_handler(_send_to_sign_in)


def guard(blueprint: Blueprint) -> None:
    """Let only signed-in users into the blueprint, and its writers begin as writers."""
    blueprint.before_request(_refuse_bad_text)
    blueprint.before_request(_begin)


def guard_public(blueprint: Blueprint) -> None:
    """Do the same for a blueprint that is open to all."""
    blueprint.before_request(_refuse_bad_text)
    blueprint.before_request(_begin_transaction)


def admins_only(view: View) -> View:
    """Refuse viewers. Stands at every view that changes something, or is a step towards that."""

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not current_user.is_admin:
            abort(403, "You may look at everything here, but only admins may change it.")
        return view(*args, **kwargs)

    return checked


def _begin() -> Answer | None:
    _begin_transaction()
    if not current_user.is_authenticated:
        return _send_to_sign_in()
    return None


def _begin_transaction() -> None:
    if request.method not in SAFE_METHODS:
        begin_write()


def _send_to_sign_in() -> Answer:
    """Send to the sign-in page, and from there back to where a page was asked for."""
    back = request.full_path.rstrip("?") if request.method == "GET" and not hx.is_asking() else None
    return hx.go("Please sign in.", url_for("account.sign_in", next=back))


def _refuse_bad_text() -> None:
    """Refuse what no database takes: NUL, and halves of characters."""
    for text in _texts(request):
        if "\x00" in text:
            abort(400, "The request has a NUL character in it.")
        try:
            text.encode()
        except UnicodeEncodeError:
            abort(400, "The request has text in it that is not Unicode.")


def _texts(asked: Request) -> list[str]:
    values: list[MultiDict[str, str]] = [asked.args, asked.form]
    return [asked.path] + [
        text for pairs in values for pair in pairs.items(multi=True) for text in pair
    ]
