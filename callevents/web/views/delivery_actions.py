"""Actions on deliveries: send again or cancel one, or all that match a filter."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for

from callevents.counted import counted
from callevents.delivery.log import queries
from callevents.delivery.log.bulk import (
    Act,
    Progress,
    apply_to_all,
    apply_to_ids,
    count_matching,
)
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.resend import ActionResult, SkipReason, cancel, resend
from callevents.enums import DeliveryState, Right
from callevents.errors import ConflictError
from callevents.extensions import db
from callevents.hooks import queries as hooks_queries
from callevents.jobs.waker import wake
from callevents.pbxs import pbxs
from callevents.web import dialogs, htmx
from callevents.web.access import requires, requires_somewhere
from callevents.web.delivery_filters import PERIODS, DeliveryView

bp = Blueprint("delivery_actions", __name__)

DELIVERIES_CHANGED = "deliveries-changed"
#: Limits of one HTTP request, before it shows the progress.
MAX_ROWS = 5_000
MAX_SECONDS = 5.0


@dataclass(frozen=True)
class Action:
    """An action on deliveries, and its texts."""

    name: str
    title: str
    #: Text of the button; the placeholder is the number of deliveries.
    button: str
    done: str
    act: Act
    #: Narrows a filter to the deliveries that the action applies to.
    choose: Callable[[Filter], Filter]


RESEND = Action(
    "resend", "Send again", "Send {} again", "sent again", resend, lambda wanted: wanted
)
CANCEL = Action("cancel", "Cancel", "Cancel {}", "cancelled", cancel, Filter.of_pending)


@bp.post("/pbxs/<slug>/deliveries/<id:delivery_id>/resend", endpoint="resend")
@requires(Right.EDIT)
def resend_one(slug: str, delivery_id: str) -> Any:
    """Send the delivery again; a pending one is sent now."""
    return _act_on_one(RESEND, slug, delivery_id)


@bp.post("/pbxs/<slug>/deliveries/<id:delivery_id>/cancel", endpoint="cancel")
@requires(Right.EDIT)
def cancel_one(slug: str, delivery_id: str) -> Any:
    """Cancel the pending delivery."""
    return _act_on_one(CANCEL, slug, delivery_id)


@bp.route("/pbxs/<slug>/deliveries/resend", methods=["GET", "POST"])
@bp.route("/deliveries/resend", endpoint="resend_all_of_all", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
def resend_all(slug: str | None = None) -> Any:
    """Confirm with the number of matches; send all that match the filter again."""
    return _act_on_all(RESEND, DeliveryView.from_request(slug))


@bp.route("/pbxs/<slug>/deliveries/cancel", methods=["GET", "POST"])
@bp.route("/deliveries/cancel", endpoint="cancel_all_of_all", methods=["GET", "POST"])
@requires_somewhere(Right.EDIT)
def cancel_all(slug: str | None = None) -> Any:
    """Confirm with the number of matches; cancel all pending ones that match the filter."""
    return _act_on_all(CANCEL, DeliveryView.from_request(slug))


@bp.get("/pbxs/<slug>/requests/<event_id>/recover")
@requires(Right.EDIT)
def recover(slug: str, event_id: str) -> Response:
    """Ask for the period; then failed deliveries of a request are sent again."""
    pbx = pbxs.get_pbx(slug)
    hook = hooks_queries.get_hook(event_id, pbx)
    return dialogs.show("deliveries/recover.html", pbx=pbx, hook=hook, PERIODS=PERIODS)


def _act_on_one(action: Action, slug: str, delivery_id: str) -> Any:
    pbx = pbxs.get_pbx(slug)
    delivery = queries.get_delivery(delivery_id, pbx)
    is_tried_now = action is RESEND and delivery.state is DeliveryState.PENDING
    done = apply_to_ids(action.act, [delivery.id])
    if done.skipped:
        raise ConflictError(f"The delivery is not {action.done}: {next(iter(done.skipped))}.")
    db.session.commit()
    wake()
    htmx.toast(f"The delivery is {'due now' if is_tried_now else action.done}.")
    if htmx.is_htmx():
        htmx.trigger(DELIVERIES_CHANGED)
        return Response(status=204)
    if "from_list" in request.args:
        return redirect(
            DeliveryView.from_request(slug if request.args["from_list"] else None).url(), 303
        )
    return redirect(url_for("deliveries.show", slug=slug, delivery_id=delivery_id), code=303)


def _act_on_all(action: Action, view: DeliveryView) -> Any:
    wanted = action.choose(view.filter(Right.EDIT))
    if request.method == "GET":
        return _confirm(action, view.frozen(), Progress())
    began = time.monotonic()
    progress = Progress()
    for progress in apply_to_all(action.act, wanted, view.before):
        db.session.commit()
        wake()
        if progress.seen >= MAX_ROWS or time.monotonic() - began >= MAX_SECONDS:
            break
    if progress.before is not None:
        return _confirm(action, view.at(progress.before), progress)
    return dialogs.finish(describe(action, progress), view.at(None).url(), DELIVERIES_CHANGED)


def _confirm(action: Action, view: DeliveryView, progress: Progress) -> Response:
    summary = count_matching(action.choose(view.filter(Right.EDIT)), view.before)
    left_out = summary.skipped if action is RESEND else Counter[SkipReason]()
    return dialogs.show(
        "deliveries/act.html",
        action=action,
        view=view,
        progress=describe(action, progress) if progress.seen else "",
        summary=summary,
        left_out=left_out,
        number=summary.total - left_out.total(),
    )


def describe(action: Action, done: ActionResult | Progress) -> str:
    """Return the result as text: how many were changed, and how many skipped and why."""
    parts = [f"{format_count(done.changed)} {action.done}."]
    parts += [f"{count:,} skipped: {refusal}." for refusal, count in done.skipped.items()]
    return " ".join(parts)


def format_count(count: int) -> str:
    """Return the number of deliveries with its noun and verb."""
    return f"{counted(count, 'delivery')} {'is' if count == 1 else 'are'}"
