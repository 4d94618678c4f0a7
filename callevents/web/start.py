"""The first page: four steps to the first delivered event, afterwards the extensions."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for

from callevents import hooks, pbxs
from callevents.delivery.log import list_deliveries
from callevents.directory import list_extensions
from callevents.models import Pbx
from callevents.web import hx
from callevents.web.addresses import place_of
from callevents.web.presentation import find_last_pbx

bp = Blueprint("start", __name__)


@bp.get("/")
def show() -> Any:
    """Lead through the first steps, or on to the extensions of the PBX last looked at."""
    pbx = find_last_pbx(pbxs.list_pbxs())
    steps = _steps(pbx)
    if pbx and steps["done"] == 4 and not hx.is_htmx():
        return redirect(url_for("extensions.index", slug=pbx.slug))
    template = "start/_steps.html" if hx.is_htmx() else "start/show.html"
    return render_template(template, pbx=pbx, **steps)


def _steps(pbx: Pbx | None) -> dict[str, Any]:
    """Return how many of the steps are done, and what the next one is about."""
    if pbx is None:
        return {"done": 0}
    if list_deliveries(pbx=pbx, limit=1):
        return {"done": 4}
    extension = next(iter(list_extensions(pbx, limit=1)), None)
    hook = hooks.find_any_hook(pbx)
    if hook is None:
        return {"done": 2 if extension else 1, "place": place_of(extension), "extension": extension}
    extension = hook.extension or extension
    return {"done": 3, "number": extension.number if extension else "", "hook": hook}
