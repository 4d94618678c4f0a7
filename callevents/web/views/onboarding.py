"""The start page: four steps to the first delivery, then the list of extensions."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for

from callevents.db.models import Pbx
from callevents.delivery.log.queries import list_deliveries
from callevents.enums import Right
from callevents.hooks import queries
from callevents.pbxs import pbxs
from callevents.pbxs.extensions import list_extensions
from callevents.web import htmx
from callevents.web.access import may, own_account, scope_of
from callevents.web.template_filters import find_last_pbx
from callevents.web.url_converters import place_of

bp = Blueprint("onboarding", __name__)


@bp.get("/")
@own_account
def show() -> Any:
    """Show the first steps; once done, redirect to the extensions of the PBX viewed last."""
    scope = scope_of(Right.SEE)
    if scope.is_empty:
        return render_template("onboarding/no_role.html")
    pbx = find_last_pbx(pbxs.list_pbxs(scope))
    steps = _find_progress(pbx)
    if pbx and not may("see-pbx", pbx):
        # The owner of an extension: an admin does these steps.
        return redirect(url_for("extensions.index", slug=pbx.slug))
    if pbx and steps["done"] == 4 and not htmx.is_htmx():
        return redirect(url_for("extensions.index", slug=pbx.slug))
    template = "onboarding/_steps.html" if htmx.is_htmx() else "onboarding/show.html"
    return render_template(template, pbx=pbx, **steps)


def _find_progress(pbx: Pbx | None) -> dict[str, Any]:
    """Return the number of completed steps, and the parameters of the next one."""
    if pbx is None:
        return {"done": 0}
    if list_deliveries(pbx=pbx, limit=1):
        return {"done": 4}
    extension = next(iter(list_extensions(pbx, limit=1)), None)
    hook = queries.find_first_hook(pbx)
    if hook is None:
        return {"done": 2 if extension else 1, "place": place_of(extension), "extension": extension}
    extension = hook.extension or extension
    return {"done": 3, "number": extension.number if extension else "", "hook": hook}
