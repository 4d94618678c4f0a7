"""Suspended requests of all PBXs, of one, or of an extension: list and resume them."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents.counted import counted
from callevents.db.models import Hook
from callevents.enums import Right
from callevents.extensions import db
from callevents.hooks import suspension
from callevents.pbxs import pbxs
from callevents.web import dialogs, htmx
from callevents.web.access import requires_somewhere, scope_of
from callevents.web.delivery_filters import DeliveryView
from callevents.web.url_converters import find_place
from callevents.web.views.hooks import HOOKS_CHANGED

bp = Blueprint("suspension", __name__)


@bp.route("/suspended", methods=["GET", "POST"])
@bp.route("/pbxs/<slug>/suspended", methods=["GET", "POST"])
@bp.route("/pbxs/<slug>/extensions/<place:place>/suspended", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
def resume(slug: str | None = None, place: str | None = None) -> Any:
    """Confirm with a list of the suspended requests; resume them."""
    pbx, extension = pbxs.get_pbx(slug) if slug else None, None
    back = url_for("overview.show")
    if slug and place:
        pbx, extension = find_place(slug, place)
        back = url_for("hooks.index", slug=slug, place=place)
    elif slug:
        back = url_for("extensions.index", slug=slug)
    for_all = place is not None and extension is None
    suspended = suspension.list_suspended(
        pbx, extension, scope=scope_of(Right.EDIT), for_all_extensions=for_all
    )
    if request.method == "GET":
        found = suspension.find_resumable(suspended)
        return dialogs.show(
            "suspension/resume.html",
            hooks=found.ready,
            left_out=found,
            back=back,
            action=request.path,
            failed_url=failed_url,
        )
    found = suspension.resume_all(suspended)
    db.session.commit()
    if not htmx.is_htmx():
        text = f"{counted(len(found.ready), 'request')} resumed."
        return dialogs.finish(" ".join((text, *found.sentences)), back)
    htmx.trigger(HOOKS_CHANGED)
    return dialogs.show("suspension/resumed.html", hooks=found.ready, left_out=found, back=back)


def failed_url(hook: Hook) -> str:
    """Return the URL of the hook's failed deliveries, where they can be sent again."""
    return DeliveryView(hook.pbx, {"hook": hook.event_id, "state": "failed"}).url()
