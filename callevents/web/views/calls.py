"""The page of one call: its events and their deliveries."""

from itertools import chain
from typing import Any

from flask import Blueprint, render_template, request

from callevents.delivery.log.call_timeline import get_call
from callevents.delivery.log.wait_reason import find_wait_reasons
from callevents.enums import DeliveryState, Right
from callevents.ingest.events import find_event
from callevents.ingest.no_request import explain
from callevents.pbxs import pbxs
from callevents.web import htmx
from callevents.web.access import requires_somewhere, scope_of
from callevents.web.views.deliveries import version_of

bp = Blueprint("calls", __name__, url_prefix="/pbxs/<slug>/call")


@bp.get("")
@requires_somewhere(Right.SEE)
def show(slug: str) -> Any:
    """Show the call with that ID, which is in the query because it may have any characters.

    Or that of an event, if the user may not see the call's ID.
    """
    pbx = pbxs.get_pbx(slug)
    scope = scope_of(Right.SEE)
    event = find_event(request.args.get("event", ""), pbx, scope)
    call = get_call(
        pbx,
        event.call_id if event else request.args.get("id", ""),
        of_events=scope.of_events(),
        of_deliveries=scope.of_deliveries(),
    )
    deliveries = list(chain(*call.deliveries.values()))
    reasons = find_wait_reasons(deliveries, scope.of_deliveries())
    behind = [(one.is_behind, one.behind) for one in reasons.values()]
    bare = [event for event in call.events if event.id not in call.deliveries]
    why = explain(pbx, bare, scope)
    version = version_of(deliveries, [event.id for event in call.events], behind, why)
    if htmx.has_version(version):
        return htmx.unchanged()
    page = render_template(
        "calls/_call.html" if htmx.is_htmx() else "calls/show.html",
        pbx=pbx,
        call=call,
        reasons=reasons,
        why=why,
        start=call.events[0].happened_at,
        is_open=any(one.state is DeliveryState.PENDING for one in deliveries),
        version=version,
    )
    return htmx.versioned(page, version)
