"""The live delivery log: a list with filters, and a page for each delivery."""

from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from callevents.audit.actions import label_of
from callevents.audit.queries import find_cancellation
from callevents.db.models import AuditEntry, CallEvent, Delivery
from callevents.delivery.attempts import list_attempts
from callevents.delivery.log import queries
from callevents.delivery.log.filters import PHASES
from callevents.delivery.log.lookup import look_up
from callevents.delivery.log.pagination import Page, find_page
from callevents.delivery.log.wait_reason import find_blocking_origin, find_wait_reasons
from callevents.delivery.request.curl import as_curl
from callevents.enums import DeliveryState, Right
from callevents.errors import InvalidError
from callevents.hooks.queries import list_origins
from callevents.ingest.events import find_event
from callevents.pbxs import pbxs
from callevents.web import htmx
from callevents.web.access import requires, requires_somewhere, scope_of
from callevents.web.delivery_filters import LABELS, MAX_TEXT_LENGTH, PERIODS, STATES, DeliveryView
from callevents.web.shown_numbers import url_of_call

bp = Blueprint("deliveries", __name__)

PAGE_SIZE = 50


@bp.get("/pbxs/<slug>/deliveries")
@bp.get("/deliveries", endpoint="index_of_all")
@requires_somewhere(Right.SEE)
def index(slug: str | None = None) -> Any:
    """List deliveries, newest first; return 304 to a poll if nothing has changed."""
    view = DeliveryView.from_request(slug)
    problems: dict[str, list[str]] = {}
    try:
        page = find_page(view.filter(), limit=PAGE_SIZE, before=view.before)
    except InvalidError as error:
        page, problems = Page([]), error.errors
    version = version_of(page.found, problems, page.before, page.searched_to)
    if htmx.has_version(version):
        return htmx.unchanged()
    html = render_template(
        "deliveries/_list.html" if htmx.is_htmx() else "deliveries/index.html",
        view=view,
        page=page,
        problems=problems,
        version=version,
        origins=() if htmx.is_htmx() else list_origins(view.pbx, scope_of(Right.SEE)),
        is_filtering=htmx.is_requested_by("filter"),
        LABELS=LABELS,
        PERIODS=PERIODS,
        PHASES=PHASES,
        STATES=STATES,
    )
    if htmx.is_requested_by("filter"):
        # Without empty fields.
        htmx.replace_url(view.url())
    return htmx.versioned(html, version)


@bp.get("/pbxs/<slug>/deliveries/find")
@bp.get("/deliveries/find", endpoint="find_of_all")
@requires_somewhere(Right.SEE)
def find(slug: str | None = None) -> Any:
    """Redirect to the delivery, call event, call, extension or request with that ID or number."""
    view = DeliveryView.from_request(slug)
    text = request.args.get("q", "").strip()[:MAX_TEXT_LENGTH]
    scope = scope_of(Right.SEE)
    if event := find_event(text, view.pbx, scope):
        return redirect(_event_url(event), code=303)
    within = DeliveryView(view.pbx, {}).filter()
    named = look_up(text, within, scope.of_hooks()) if text else {}
    if named is None:
        flash(f"No delivery, call event, call, extension or Event ID matches {text!r}.", "error")
        return redirect(view.url(), code=303)
    if (delivery := named.get("delivery")) is not None:
        where = url_for(".show", slug=delivery.pbx.slug, delivery_id=delivery.id)
        return redirect(where, code=303)
    return redirect(DeliveryView(view.pbx, named).url(), code=303)


def _event_url(event: CallEvent) -> str:
    """Return the URL of the event in its call; without a call, that of its deliveries."""
    if event.call_id:
        return f"{url_of_call(event, event.pbx)}#event-{event.id}"
    deliveries = queries.list_deliveries(
        pbx=event.pbx,
        call_event_id=event.id,
        of_deliveries=scope_of(Right.SEE).of_deliveries(),
    )
    if len(deliveries) == 1:
        return url_for(".show", slug=event.pbx.slug, delivery_id=deliveries[0].id)
    # The IDs of deliveries have the time from which they are listed.
    since = (event.received_at - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%S")
    texts = {"ext": event.extension, "event": event.event_type.slug, "from": since}
    return DeliveryView(event.pbx, texts).url()


@bp.get("/pbxs/<slug>/deliveries/<id:delivery_id>")
@requires(Right.SEE)
def show(slug: str, delivery_id: str) -> Any:
    """Show a delivery and its attempts with their requests and responses."""
    pbx = pbxs.get_pbx(slug)
    delivery = queries.get_delivery(delivery_id, pbx)
    reasons = find_wait_reasons([delivery], scope_of(Right.SEE).of_deliveries())[delivery.id]
    version = version_of([delivery], reasons.is_behind, reasons.behind)
    if htmx.has_version(version):
        return htmx.unchanged()
    attempts = list_attempts(delivery)
    page = render_template(
        "deliveries/_delivery.html" if htmx.is_htmx() else "deliveries/show.html",
        pbx=pbx,
        delivery=delivery,
        event=delivery.call_event,
        attempts=attempts,
        reasons=reasons,
        cancellation=_find_cancellation(delivery),
        label_of=label_of,
        as_curl=as_curl,
        version=version,
    )
    return htmx.versioned(page, version)


def _find_cancellation(delivery: Delivery) -> AuditEntry | None:
    is_cancelled = delivery.state is DeliveryState.CANCELLED
    return find_cancellation(delivery) if is_cancelled else None


def version_of(deliveries: Iterable[Delivery], *more: object) -> str:
    """Return a digest of all values of the deliveries that pages show and that may change."""
    digest = sha256(repr(more).encode())
    for one in deliveries:
        facts = (one.id, one.state, one.attempts, one.due_at, one.claimed_at, one.url, one.method)
        origin = find_blocking_origin(one)
        paused = origin and (origin.probe_at, origin.error)
        digest.update(repr((*facts, one.resent_at, one.deferred, paused)).encode())
    return digest.hexdigest()[:24]
