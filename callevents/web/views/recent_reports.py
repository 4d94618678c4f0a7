"""Reports of a PBX in the last hour, and their results."""

from hashlib import sha256
from typing import Any

from flask import Blueprint, render_template

from callevents.enums import Right
from callevents.ingest.recent import list_recent_reports, list_unknown_tokens
from callevents.pbxs import pbxs
from callevents.web import htmx
from callevents.web.access import requires

bp = Blueprint("recent_reports", __name__, url_prefix="/pbxs/<slug>/recent-reports")


@bp.get("")
@requires(Right.SEE_PBX)
def show(slug: str) -> Any:
    """Show the reports; return 304 to a poll if nothing has changed."""
    pbx = pbxs.get_pbx(slug)
    reports = list_recent_reports(pbx)
    unknown = list_unknown_tokens(pbx)
    facts: list[object] = [(one.network, one.count, one.last_at) for one in unknown]
    facts += [
        (one.at, one.event and one.event.id, one.requests, one.reason, one.why) for one in reports
    ]
    version = sha256(repr(facts).encode()).hexdigest()[:24]
    if htmx.has_version(version):
        return htmx.unchanged()
    template = "recent_reports/_list.html" if htmx.is_htmx() else "recent_reports/show.html"
    page = render_template(template, pbx=pbx, reports=reports, unknown=unknown, version=version)
    return htmx.versioned(page, version)
