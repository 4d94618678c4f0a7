"""Who may do what, decided in one place before any view runs.

Everybody signs in; who only views changes nothing; what changes something is a writer from its
beginning. A view that departs from this says so with one of the decorators here.
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
from callevents.web.login import NEXT_PATH_KEY, find_current_user

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

View = TypeVar("View", bound=Callable[..., Any])


class Access(Enum):
    """Who may use a view."""

    EVERYONE = "everyone"
    USERS = "users"
    ADMINS = "admins"


def public(view: View) -> View:
    """Let people use the view who have not signed in."""
    view.access = Access.EVERYONE  # type: ignore[attr-defined]
    return view


def viewers_allowed(view: View) -> View:
    """Let viewers use the view with unsafe methods too: it changes only what is their own."""
    view.access = Access.USERS  # type: ignore[attr-defined]
    return view


def admins_only(view: View) -> View:
    """Keep viewers from the view with every method: it is about changing something."""
    view.access = Access.ADMINS  # type: ignore[attr-defined]
    return view


def no_write_transaction(view: View) -> View:
    """Tell that the view does not write to the database, whatever the method."""
    view.no_write_transaction = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Guard every view but those for programs, which prove themselves by tokens."""
    app.before_request(_check_access)


def _check_access() -> Any:
    if request.endpoint in (None, "static") or find_error_response():
        return None
    _refuse_unstorable_text()
    view = current_app.view_functions[request.endpoint or ""]
    is_safe = request.method in SAFE_METHODS
    needed = getattr(view, "access", Access.USERS if is_safe else Access.ADMINS)
    user = find_current_user()
    if user is None and needed is not Access.EVERYONE:
        return _ask_to_sign_in()
    if needed is Access.ADMINS and not (user and user.is_admin):
        abort(403)
    if not is_safe and not getattr(view, "no_write_transaction", False):
        begin_write()
    return None


def _ask_to_sign_in() -> Any:
    """Lead to the sign-in page, and remember where to go afterwards: a path that we build."""
    if request.method == "GET" and not htmx.is_htmx():
        query = request.query_string.decode("ascii", "replace")
        path = url_for(request.endpoint or "", **(request.view_args or {}))
        cookie[NEXT_PATH_KEY] = f"{path}?{query}" if query else path
    return htmx.redirect_to(url_for("account.sign_in"))


def _refuse_unstorable_text() -> None:
    """Refuse what not every database stores: NUL characters and halves of surrogate pairs."""
    if not _is_storable(request.path):
        raise NotFoundError("There is nothing at this address.")
    if not all(map(_is_storable, _given_texts())):
        raise BadRequest("The request has characters in it that cannot be stored.")


def _given_texts() -> Iterator[str]:
    for values in (request.args, request.form):
        for name, texts in values.lists():
            yield name
            yield from texts


def _is_storable(text: str) -> bool:
    """Return whether every database can keep the text, and it has arrived as it was sent.

    What was not UTF-8 has been replaced by U+FFFD before it gets here.
    """
    return not any(
        character in "\0\ufffd" or "\ud800" <= character <= "\udfff" for character in text
    )
