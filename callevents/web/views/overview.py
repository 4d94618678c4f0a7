"""The live overview: statistics, backlog, failing requests and workers."""

from hashlib import sha256
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from callevents.enums import Right
from callevents.errors import NotFoundError
from callevents.operations import overview
from callevents.operations.overview import Overview, TimeRange
from callevents.pbxs import pbxs
from callevents.web import htmx
from callevents.web.access import get_visible_pbx, requires_somewhere, scope_of
from callevents.web.charts import plot, stack

bp = Blueprint("overview", __name__)

#: Order in a column, from the bottom.
STATES = ("delivered", "pending", "held", "cancelled", "skipped", "failed")
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@bp.get("/overview")
@requires_somewhere(Right.SEE_PBX)
def show() -> Any:
    """Show the overview of a PBX, or of all; return 304 to a poll if nothing has changed."""
    slug = request.args.get("pbx", "")
    pbx = get_visible_pbx(slug, Right.SEE_PBX) if slug else None
    scope = scope_of(Right.SEE_PBX)
    if pbx is None and not scope.is_all:
        first = next(iter(pbxs.list_pbxs(scope)), None)
        if first is None:
            raise NotFoundError("There is no PBX to show.")
        return redirect(url_for(".show", pbx=first.slug, span=request.args.get("span")))
    found = overview.load_overview(pbx, TimeRange.from_slug(request.args.get("span", "")))
    version = version_of(found)
    if htmx.has_version(version):
        return htmx.unchanged()
    page = render_template(
        "overview/_overview.html" if htmx.is_htmx() else "overview/index.html",
        pbx=pbx,
        found=found,
        version=version,
        TimeRange=TimeRange,
        SHARES=SHARES,
        deliveries_chart=stack(
            {state: [getattr(slot, state) for slot in found.slots] for state in STATES}
        ),
        latency_chart=plot(
            {
                name: [slot.latency_ms(share) for slot in found.slots]
                for name, share in SHARES.items()
            }
        ),
    )
    return htmx.versioned(page, version)


def version_of(found: Overview) -> str:
    """Return a digest of all values that the page shows and that may change."""
    hooks = [
        (one.hook.id, one.hook.suspended_at, one.hook.failing_since, one.last and one.last.error)
        for one in found.failing_plain
    ]
    receivers = [
        (one.receiver.id, one.count, one.suspended_at, one.failing_since, one.needs)
        for one in found.failing_receivers
    ]
    origins = [(one.id, one.probe_at, one.error) for one in found.origins]
    workers = [(one.id, one in found.alive) for one in found.workers]
    facts = (found.slots, found.backlog, found.suspended, hooks, receivers, origins, workers)
    return sha256(repr(facts).encode()).hexdigest()[:24]
