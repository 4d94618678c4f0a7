"""The log of deliveries, live, and a page for each."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from flask import Blueprint, render_template, request

from callevents import pbxs
from callevents.delivery import log
from callevents.models import Delivery
from callevents.web import hx

bp = Blueprint("deliveries", __name__, url_prefix="/pbxs/<slug>/deliveries")

PAGE_SIZE = 50


@bp.get("")
def index(slug: str) -> Any:
    """List deliveries, newest first; to a poll, answer only if something has changed."""
    pbx = pbxs.get_pbx(slug)
    before = request.args.get("before") or None
    # One more than is shown tells whether there are older ones.
    found = log.list_deliveries(pbx=pbx, before=before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    version = version_of(found)
    if hx.has_version(version):
        return hx.unchanged()
    page = render_template(
        "deliveries/_list.html" if hx.is_htmx() else "deliveries/index.html",
        pbx=pbx,
        deliveries=shown,
        before=before,
        older=shown[-1].id if len(found) > PAGE_SIZE else None,
        version=version,
    )
    return hx.versioned(page, version)


@bp.get("/<id:delivery_id>")
def show(slug: str, delivery_id: str) -> Any:
    """Show a delivery and its attempts: what was sent, and what came back."""
    pbx = pbxs.get_pbx(slug)
    delivery = log.get_delivery(delivery_id, pbx)
    version = version_of([delivery])
    if hx.has_version(version):
        return hx.unchanged()
    page = render_template(
        "deliveries/_delivery.html" if hx.is_htmx() else "deliveries/show.html",
        pbx=pbx,
        delivery=delivery,
        event=delivery.call_event,
        attempts=log.list_attempts(delivery),
        version=version,
    )
    return hx.versioned(page, version)


def version_of(deliveries: Sequence[Delivery]) -> str:
    """Return a digest of all that pages show of the deliveries and that may change."""
    digest = sha256()
    for one in deliveries:
        facts = (one.id, one.state, one.attempts, one.due_at, one.claimed_at, one.url, one.method)
        digest.update(repr(facts).encode())
    return digest.hexdigest()[:24]
