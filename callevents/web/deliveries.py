"""The log of deliveries, live, and a page for each."""

from collections.abc import Sequence
from hashlib import sha256

from flask import Blueprint, Response, make_response, render_template, request, session

from callevents import pbxs
from callevents.delivery import log
from callevents.models import Delivery
from callevents.web import hx
from callevents.web.home import LAST_PBX

bp = Blueprint("deliveries", __name__, url_prefix="/pbxs/<slug>/deliveries")

PAGE_SIZE = 50


@bp.get("")
def index(slug: str) -> Response:
    """List deliveries, newest first; answer 304 to a poll if nothing has changed."""
    pbx = pbxs.get_pbx(slug)
    session[LAST_PBX] = slug
    before = request.args.get("before") or None
    # One more than shown tells whether there are older ones.
    found = log.list_deliveries(pbx=pbx, before=before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    tag = _tag(shown)
    if hx.is_asking() and request.headers.get("HX-PTag") == tag:
        return make_response("", 304)
    template = "deliveries/_list.html" if hx.is_asking() else "deliveries/index.html"
    page = render_template(
        template,
        pbx=pbx,
        deliveries=shown,
        before=before,
        older=shown[-1].id if len(found) > PAGE_SIZE else None,
        tag=tag,
    )
    response = make_response(page)
    response.headers["HX-PTag"] = tag
    return response


@bp.get("/<uuid:delivery_id>")
def show(slug: str, delivery_id: object) -> str:
    """Show a delivery and its attempts."""
    pbx = pbxs.get_pbx(slug)
    delivery = log.get_delivery(str(delivery_id), pbx)
    return render_template(
        "deliveries/show.html",
        pbx=pbx,
        delivery=delivery,
        event=delivery.call_event,
        attempts=log.list_attempts(delivery),
    )


def _tag(deliveries: Sequence[Delivery]) -> str:
    """Return a digest of what the list shows."""
    digest = sha256()
    for delivery in deliveries:
        facts = (delivery.id, delivery.state, delivery.attempts, delivery.url, delivery.method)
        digest.update(repr(facts).encode())
    return digest.hexdigest()[:24]
