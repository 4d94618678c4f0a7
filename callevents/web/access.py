"""Access control: one check before every view.

Each view names the right that it needs, of the PBX or extension in its URL. What a user may not
see does not exist for that user (404); what may be seen and not changed is refused (403). Which
role has which right is decided in `callevents.users.rights`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, abort, current_app, flash, g, request, url_for
from flask import session as cookie
from werkzeug.exceptions import BadRequest

from callevents.db.models import Delivery, Extension, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.log.queries import get_delivery, no_such_delivery
from callevents.enums import Right
from callevents.errors import NotFoundError
from callevents.hooks.queries import find_hook_ids, get_hook, no_such_hook
from callevents.pbxs import pbxs
from callevents.pbxs.extensions import no_such_extension
from callevents.users.rights import Scope, is_allowed
from callevents.web import htmx
from callevents.web.errors import find_error_response
from callevents.web.login import (
    NEXT_PATH_KEY,
    TOKEN_KEY,
    find_current_user,
    lacks_second_factor,
)
from callevents.web.url_converters import ALL

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Parts of a URL that name an extension, or a delivery of one.
OF_EXTENSION = frozenset({"place", "extension_id", "delivery_id"})

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """What a view needs."""

    #: None: only to be signed in.
    right: Right | None = None
    #: True if the right for one extension of the PBX, or for one PBX, is enough: the view shows and
    #: changes only what is in the scope of the user.
    somewhere: bool = False
    is_public: bool = False


def requires(right: Right) -> Callable[[View], View]:
    """Require the right for what the URL names: the extension, else the PBX, else all PBXs."""
    return _declare(Access(right))


def requires_somewhere(right: Right) -> Callable[[View], View]:
    """Require the right for any part of what the URL names; the view limits itself to the scope."""
    return _declare(Access(right, somewhere=True))


def own_account(view: View) -> View:
    """Allow the view to every user: it shows and changes only the user's own account."""
    return _declare(Access())(view)


def public(view: View) -> View:
    """Allow the view without signing in."""
    return _declare(Access(is_public=True))(view)


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
    # Globals, because macros see no context.
    app.jinja_env.globals |= {
        "may": may,
        "may_somewhere": may_somewhere,
        "may_act_on": may_act_on,
    }


def scope_of(right: Right) -> Scope:
    """Return that for which the current user has the right."""
    scopes: dict[Right, Scope] = g.setdefault("scopes", {})
    if right not in scopes:
        user = find_current_user()
        scopes[right] = Scope.of(user.grants if user else (), right)
    return scopes[right]


def may(right: str, pbx: Pbx | None = None, extension: Extension | None = None) -> bool:
    """Return True if the current user has the right: for the extension, the PBX, or all PBXs."""
    user = find_current_user()
    pbx_id, extension_id = pbx.id if pbx else None, extension.id if extension else None
    return user is not None and is_allowed(user.grants, Right(right), pbx_id, extension_id)


def may_somewhere(right: str, pbx: Pbx | None = None) -> bool:
    """Return True if the current user has the right for a part of the PBX, or for anything."""
    scope = scope_of(Right(right))
    return scope.touches(pbx.id) if pbx else not scope.is_empty


def may_act_on(delivery: Delivery) -> bool:
    """Return True if the current user may send the delivery again, or cancel it."""
    scope = scope_of(Right.EDIT)
    if not scope.extension_ids or scope.has_pbx(delivery.pbx_id):
        return scope.has_pbx(delivery.pbx_id)
    if "own_hook_ids" not in g:
        g.own_hook_ids = find_hook_ids(scope.extension_ids)
    return delivery.hook_id in g.own_hook_ids


def get_visible_pbx(slug: str, right: Right = Right.SEE) -> Pbx:
    """Return the PBX if the user has the right for a part of it; raises NotFoundError."""
    found = pbxs.find_pbx(slug)
    if found is None or not scope_of(right).touches(found.id):
        raise NotFoundError(f"There is no PBX {slug!r}.")
    pbxs.check_in_use(found)
    return found


def ask_to_sign_in() -> Any:
    """Redirect to the sign-in page and remember the requested path."""
    if cookie.pop(TOKEN_KEY, None):
        # Ended by its age, by the user elsewhere, or by an admin.
        flash("You have been signed out. Sign in again.", "error")
    if request.method == "GET" and not htmx.is_htmx():
        remember_path()
    return htmx.redirect_to(url_for("account.show_sign_in"))


def remember_path() -> None:
    """Remember the requested path, for after signing in; it is built from the route."""
    query = request.query_string.decode("ascii", "replace")
    path = url_for(request.endpoint or "", **(request.view_args or {}))
    cookie[NEXT_PATH_KEY] = f"{path}?{query}" if query else path


def _declare(access: Access) -> Callable[[View], View]:
    def declare(view: View) -> View:
        view.access = access  # type: ignore[attr-defined]
        return view

    return declare


def _check_access() -> Any:
    if request.endpoint in (None, "static") or find_error_response():
        return None
    _refuse_unstorable_text()
    view = current_app.view_functions[request.endpoint or ""]
    # A view that declares nothing is for those who may do everything.
    required: Access = getattr(view, "access", Access(Right.ADMINISTER))
    if not required.is_public:
        if find_current_user() is None:
            return ask_to_sign_in()
        if _must_set_up(view):
            return htmx.redirect_to(url_for("second_factor.show"))
        _check_right(required, request.view_args or {})
    is_safe = request.method in SAFE_METHODS
    if not is_safe and not getattr(view, "no_write_transaction", False):
        begin_write()
    return None


def _check_right(required: Access, named: dict[str, Any]) -> None:
    """Refuse what the user may not do (403), or may not see (404)."""
    user, right = find_current_user(), required.right
    if right is None or user is None:
        return
    slug = named.get("slug")
    if slug is None:
        if not (required.somewhere and not scope_of(right).is_empty):
            _require(is_allowed(user.grants, right))
        return
    pbx = get_visible_pbx(slug)
    if required.somewhere and named.keys().isdisjoint(OF_EXTENSION):
        _require(scope_of(right).touches(pbx.id))
        return
    extension_id = _find_extension_id(pbx, named)
    if not is_allowed(user.grants, Right.SEE, pbx.id, extension_id):
        raise _not_found(pbx, named)
    _require(is_allowed(user.grants, right, pbx.id, extension_id))


def _not_found(pbx: Pbx, named: dict[str, Any]) -> NotFoundError:
    """Return the error that views raise for what is not there: nobody learns that it is."""
    if "place" in named or "extension_id" in named:
        return no_such_extension(pbx)
    if "delivery_id" in named:
        return no_such_delivery()
    if "event_id" in named:
        return no_such_hook(named["event_id"])
    return NotFoundError("This page does not exist.")


def _require(is_granted: bool) -> None:
    if not is_granted:
        abort(403)


def _find_extension_id(pbx: Pbx, named: dict[str, Any]) -> str | None:
    """Return the ID of the extension that the URL names, or whose request or delivery it names."""
    if "place" in named or "extension_id" in named:
        place: str = named.get("place") or named["extension_id"]
        return None if place == ALL else place
    if "delivery_id" in named:
        return _extension_of(get_delivery(named["delivery_id"], pbx).hook)
    if "event_id" in named:
        return _extension_of(get_hook(named["event_id"], pbx))
    return None


def _extension_of(hook: Hook | None) -> str | None:
    return hook.extension_id if hook else None


def _must_set_up(view: Callable[..., Any]) -> bool:
    """Return True if the view is only for users who have the second factor that they need."""
    return not getattr(view, "open_without_second_factor", False) and lacks_second_factor()


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
