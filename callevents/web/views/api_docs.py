"""The reference of the management API, made from its OpenAPI document."""

from functools import cache

from flask import Blueprint, abort, render_template, request

from callevents.extensions import app_state
from callevents.web.access import public
from callevents.web.api_reference import Group, Reference, to_html, to_inline_html
from callevents.web.login import find_current_user, lacks_second_factor
from callevents.web.public_url import PLACEHOLDER, find_own_origin

bp = Blueprint("api_docs", __name__)


@bp.get("/api/docs")
@public
def index() -> str:
    """Show how the API works, all operations, and the errors."""
    return _render("api_docs/index.html", None)


@bp.get("/api/docs/<slug>")
@public
def show(slug: str) -> str:
    """Show the operations of a group."""
    group = _reference().find_group(slug)
    if group is None:
        abort(404)
    return _render("api_docs/group.html", group)


def _render(template: str, group: Group | None) -> str:
    is_signed_in = find_current_user() is not None and not lacks_second_factor()
    return render_template(
        template,
        layout="layouts/app.html" if is_signed_in else "layouts/public.html",
        reference=_reference(),
        group=group,
        origin=_find_origin(),
        to_html=to_html,
        to_inline_html=to_inline_html,
    )


def _find_origin() -> str:
    """Return the address of this server for an example."""
    known = app_state().settings.public_url or find_own_origin()
    return known or f"{request.scheme}://{PLACEHOLDER}"


@cache
def _reference() -> Reference:
    return Reference(app_state().describe_api())
