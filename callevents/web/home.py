"""The first page: four steps to the first request, afterwards the extensions last looked at."""

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, session, url_for

from callevents import pbxs
from callevents.delivery import log
from callevents.directory import find_extensions
from callevents.hooks import list_all_hooks
from callevents.models import Pbx
from callevents.web.hx import Answer

bp = Blueprint("home", __name__)

LAST_PBX = "last_pbx"


@dataclass(frozen=True)
class Step:
    """One of the first steps. Without a URL it cannot be taken yet."""

    title: str
    text: str
    action: str
    url: str
    is_done: bool


@bp.get("/")
def index() -> Answer | str:
    """Lead through the first steps, or on to the extensions."""
    known = pbxs.list_pbxs()
    pbx = next((one for one in known if one.slug == session.get(LAST_PBX)), None)
    pbx = pbx or (known[0] if known else None)
    steps = find_steps(pbx)
    if pbx is not None and all(step.is_done for step in steps):
        return redirect(url_for("extensions.index", slug=pbx.slug))
    return render_template("first_steps.html", steps=steps, pbx=pbx)


def find_steps(pbx: Pbx | None) -> list[Step]:
    """Return the first steps with that PBX, and which of them are done."""
    found = find_extensions(pbx) if pbx else None
    extension = found.extensions[0] if found and found.extensions else None
    hooks = list_all_hooks(pbx) if pbx else []
    tested = bool(pbx and log.list_deliveries(pbx=pbx, limit=1))
    slug = pbx.slug if pbx else ""
    return [
        Step(
            "Add a PBX",
            "The phone system whose calls you want to pass on. It gets an address and a token "
            "with which it reports.",
            "Add a PBX",
            url_for("pbxs.add"),
            pbx is not None,
        ),
        Step(
            "Add an extension",
            "One of its numbers. Requests that shall be made for every number need none.",
            "Add an extension",
            url_for("extensions.add", slug=slug) if pbx else "",
            bool(extension or hooks),
        ),
        Step(
            "Configure a request",
            "Which application shall hear of which call event, and how.",
            "Configure a request",
            _hooks_url(slug, extension.id if extension else "all") if pbx else "",
            bool(hooks),
        ),
        Step(
            "Send a test event",
            "An example call goes the whole way, and you see what was sent and answered.",
            "Send a test event",
            url_for("pbxs.test", slug=slug) if hooks else "",
            tested,
        ),
    ]


def _hooks_url(slug: str, key: str) -> str:
    return url_for("hooks.index", slug=slug, key=key)
