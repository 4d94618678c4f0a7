"""Access control: one check before every view.

By default, safe methods need a user, unsafe methods need an admin and start a write transaction.
Decorators in this module change that for single views.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, TypeVar

from flask import Flask, abort, current_app, request, url_for
from flask import session as cookie
from werkzeug.exceptions import BadRequest

from callevents.db.session import begin_write
from callevents.errors import NotFoundError
from callevents.web import htmx
from callevents.web.errors import find_error_response
from callevents.web.login import NEXT_PATH_KEY, find_current_user, lacks_second_factor

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

View = TypeVar("View", bound=Callable[..., Any])


class Access(Enum):
    """The users that may use a view."""

    EVERYONE = "everyone"
    USERS = "users"
    ADMINS = "admins"


def public(view: View) -> View:
    """Allow the view without signing in."""
    view.access = Access.EVERYONE  # type: ignore[attr-defined]
    return view


def viewers_allowed(view: View) -> View:
    """Allow viewers to use unsafe methods: the view changes only their own account."""
    view.access = Access.USERS  # type: ignore[attr-defined]
    return view


def admins_only(view: View) -> View:
    """Require an admin for every method of the view."""
    view.access = Access.ADMINS  # type: ignore[attr-defined]
    return view


def open_without_second_factor(view: View) -> View:
    """Allow the view to users who have to set up a second factor before anything else."""
    view.open_without_second_factor = True  # type: ignore[attr-defined]
    return view


def no_write_transaction(view: View) -> View:
    """Do not start a write transaction for unsafe methods of the view."""
    view.no_write_transaction = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Check access to every view except the API, which authenticates clients by token."""
    app.before_request(_check_access)


def _check_access() -> Any:
    if request.endpoint in (None, "static") or find_error_response():
        return None
    _refuse_unstorable_text()
    view = current_app.view_functions[request.endpoint or ""]
    is_safe = request.method in SAFE_METHODS
    required = getattr(view, "access", Access.USERS if is_safe else Access.ADMINS)
    user = find_current_user()
    if user is None and required is not Access.EVERYONE:
        return _ask_to_sign_in()
    if _must_set_up(view, required):
        return htmx.redirect_to(url_for("second_factor.show"))
    if required is Access.ADMINS and not (user and user.is_admin):
        abort(403)
    if not is_safe and not getattr(view, "no_write_transaction", False):
        begin_write()
    return None


def _must_set_up(view: Callable[..., Any], required: Access) -> bool:
    """Return True if the view is only for users who have the second factor that they need."""
    if required is Access.EVERYONE or getattr(view, "open_without_second_factor", False):
        return False
    return lacks_second_factor()


def _ask_to_sign_in() -> Any:
    """Redirect to the sign-in page and remember the requested path; it is built from the route."""
    if request.method == "GET" and not htmx.is_htmx():
        query = request.query_string.decode("ascii", "replace")
        path = url_for(request.endpoint or "", **(request.view_args or {}))
        cookie[NEXT_PATH_KEY] = f"{path}?{query}" if query else path
    return htmx.redirect_to(url_for("account.show_sign_in"))


def _refuse_unstorable_text() -> None:
    """Reject text that not every database stores: NUL characters and lone surrogates."""
    if not _is_storable(request.path):
        raise NotFoundError("This page does not exist.")
    if not all(map(_is_storable, _submitted_texts())):
        raise BadRequest("The request contains characters that cannot be stored.")


def _submitted_texts() -> Iterator[str]:
    for values in (request.args, request.form):
        for name, texts in values.lists():
            yield name
            yield from texts


def _is_storable(text: str) -> bool:
    """Return True if every database can store the text, and it arrived as valid UTF-8.

    Invalid UTF-8 has been replaced by U+FFFD before it gets here.
    """
    return not any(
        character in "\0\ufffd" or "\ud800" <= character <= "\udfff" for character in text
    )
