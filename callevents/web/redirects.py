"""Redirects from the former URLs of pages, so that bookmarks and open pages still work."""

from typing import Any

from flask import Blueprint, redirect, request, url_for

from callevents.enums import Right
from callevents.web.access import no_write_transaction, requires_somewhere

bp = Blueprint("redirects", __name__, url_prefix="/pbxs/<slug>")

#: Former and current path of a page, below the path of its PBX.
MOVED = {
    "reports": "recent-reports",
    "proposals/add": "suggestions/add",
    "proposals/dismiss": "suggestions/dismiss",
    "connect/heard": "connect/events",
}


@requires_somewhere(Right.SEE)
@no_write_transaction
def redirect_moved(slug: str, path: str) -> Any:
    """Redirect to the current URL, with the same query, method and form."""
    url = f"{url_for('pbxs.show', slug=slug)}/{path}"
    query = request.query_string.decode("ascii", "replace")
    return redirect(f"{url}?{query}" if query else url, code=308)


for _old_path, _path in MOVED.items():
    bp.add_url_rule(
        f"/{_old_path}",
        view_func=redirect_moved,
        methods=["GET", "POST"],
        defaults={"path": _path},
    )
