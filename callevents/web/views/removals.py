"""Undo the removal of requests, or of an extension with its requests."""

from typing import Any

from flask import Blueprint, Response, redirect, request, url_for

from callevents.counted import counted
from callevents.delivery import removal
from callevents.delivery.removal import Removed
from callevents.enums import Right
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.pbxs import pbxs
from callevents.web import htmx
from callevents.web.access import requires_somewhere, scope_of
from callevents.web.url_converters import find_place
from callevents.web.views.extensions import EXTENSIONS_CHANGED
from callevents.web.views.hooks import HOOKS_CHANGED
from callevents.web.views.receivers import get_visible

bp = Blueprint("removals", __name__, url_prefix="/pbxs/<slug>/removals")


@bp.post("/<id:removal_id>/undo")
@requires_somewhere(Right.EDIT)
def undo(slug: str, removal_id: str) -> Any:
    """Undo the removal; without htmx, return to the page that it was made on."""
    pbx = pbxs.get_pbx(slug)
    scope = scope_of(Right.EDIT)
    if not scope.has_pbx(pbx.id) and not removal.is_only_of(pbx, removal_id, scope.extension_ids):
        raise NotFoundError("This page does not exist.")
    undone = removal.undo(pbx, removal_id)
    back = url_for("extensions.index", slug=slug)
    if place := request.args.get("place"):
        find_place(slug, place)
        back = url_for("hooks.index", slug=slug, place=place)
    if name := request.args.get("receiver"):
        back = url_for("receivers.show", name=get_visible(name).slug)
    db.session.commit()
    wake()
    htmx.toast(describe(undone))
    if not htmx.is_htmx():
        return redirect(back, code=303)
    for event in (HOOKS_CHANGED, EXTENSIONS_CHANGED):
        htmx.trigger(event)
    return Response(status=204)


def describe(undone: Removed) -> str:
    """Return what is back, as text."""
    requests = counted(undone.hooks, "request")
    if undone.extension:
        text = f"{undone.extension} is back"
        text += f", with {requests}." if undone.hooks else "."
    else:
        text = f"{requests} {'is' if undone.hooks == 1 else 'are'} back."
    if not undone.waiting:
        return text
    is_one = undone.waiting == 1
    return f"{text} {undone.waiting:,} {'delivery waits' if is_one else 'deliveries wait'} again."
