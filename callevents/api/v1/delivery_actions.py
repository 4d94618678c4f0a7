"""Actions on deliveries: send again or cancel one, or those that match a filter."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_cursor
from callevents.api.v1.deliveries import TAG, see_delivery, show_delivery
from callevents.api.v1.deliveries_examples import COUNTS, DELIVERY, SELECTION
from callevents.api.v1.deliveries_models import (
    Delivery,
    DeliveryChoice,
    DeliveryCounts,
    DeliveryQuery,
    DeliverySelection,
    SkippedDeliveries,
)
from callevents.api.v1.delivery_choice import choose_deliveries
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ProblemType
from callevents.api.v1.reading import invalid
from callevents.api_access.scopes import ApiScope
from callevents.delivery.log.bulk import Act, apply_to_batch, apply_to_ids, count_matching
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.resend import SkipReason, cancel, resend
from callevents.enums import Right
from callevents.errors import ConflictError
from callevents.extensions import db
from callevents.jobs.waker import wake

#: Deliveries changed by one request, which is one transaction.
MAX_CHANGED = 1000
#: Deliveries counted by one dry run.
MAX_COUNTED = 10_000


@dataclass(frozen=True)
class Action:
    """An action on deliveries."""

    name: str
    done: str
    act: Act
    #: Narrows a filter to the deliveries that the action applies to.
    choose: Callable[[Filter], Filter]


RESEND = Action("resend", "sent again", resend, lambda wanted: wanted)
CANCEL = Action("cancel", "cancelled", cancel, Filter.of_pending)


@operation(
    "POST",
    "/deliveries/{delivery_id}/resend",
    scope=ApiScope.DELIVERIES_WRITE,
    summary="Send a delivery again",
    tag=TAG,
    answer=Delivery,
    answer_example=DELIVERY,
    problems=frozenset({ProblemType.CONFLICT}),
)
def resend_delivery(call: Call[NoQuery, None], delivery_id: str) -> Delivery:
    """Send a delivery again, to the current URL of its hook; a pending one is sent now.

    It keeps its ID, so the receiver can recognise a duplicate. 409 if its hook is disabled,
    suspended or removed, or if it is being sent.
    """
    return _act_on_one(call, RESEND, delivery_id)


@operation(
    "POST",
    "/deliveries/{delivery_id}/cancel",
    scope=ApiScope.DELIVERIES_WRITE,
    summary="Cancel a delivery",
    tag=TAG,
    answer=Delivery,
    answer_example={**DELIVERY, "state": "cancelled", "wait": None},
    problems=frozenset({ProblemType.CONFLICT}),
)
def cancel_delivery(call: Call[NoQuery, None], delivery_id: str) -> Delivery:
    """Cancel a pending or held delivery. 409 if it is finished already.

    An attempt that is being made goes on. If it succeeds, the delivery is recorded as delivered.
    """
    return _act_on_one(call, CANCEL, delivery_id)


@operation(
    "POST",
    "/deliveries/resend",
    scope=ApiScope.DELIVERIES_WRITE,
    summary="Send deliveries again",
    tag=TAG,
    body=DeliverySelection,
    answer=DeliveryCounts,
    body_example=SELECTION,
    answer_example=COUNTS,
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def resend_deliveries(call: Call[NoQuery, DeliverySelection]) -> DeliveryCounts:
    """Send the deliveries again that have all values of the filter, newest first.

    Only those are considered for which the token's owner has the role. One request changes at most
    1,000 deliveries; with `dry_run` it counts at most 10,000 and changes none. If there may be
    more, `next_cursor` is set: send the same again with this `cursor` until it is null.

    Skipped deliveries are sent only with the state `skipped`.
    """
    return _act_on_many(call, RESEND)


@operation(
    "POST",
    "/deliveries/cancel",
    scope=ApiScope.DELIVERIES_WRITE,
    summary="Cancel deliveries",
    tag=TAG,
    body=DeliverySelection,
    answer=DeliveryCounts,
    body_example={**SELECTION, "state": "pending"},
    answer_example={**COUNTS, "changed": 120, "skipped": []},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def cancel_deliveries(call: Call[NoQuery, DeliverySelection]) -> DeliveryCounts:
    """Cancel the pending deliveries that have all values of the filter, newest first.

    With the state `held`, it cancels held ones. Only those are considered for which the token's
    owner has the role. One request changes at most 1,000 deliveries; with `dry_run` it counts at
    most 10,000 and changes none. If there may be more, `next_cursor` is set: send the same again
    with this `cursor` until it is null.
    """
    return _act_on_many(call, CANCEL)


def _act_on_one(call: Call[NoQuery, None], action: Action, delivery_id: str) -> Delivery:
    delivery = see_delivery(call, delivery_id, Right.EDIT)
    done = apply_to_ids(action.act, [delivery.id])
    if done.skipped:
        raise ConflictError(f"The delivery is not {action.done}: {next(iter(done.skipped))}.")
    # It was changed without the ORM.
    db.session.refresh(delivery)
    call.after_commit(wake)
    return show_delivery(call, delivery)


def _act_on_many(call: Call[NoQuery, DeliverySelection], action: Action) -> DeliveryCounts:
    selection = call.body
    names = selection.model_fields_set & DeliveryChoice.model_fields.keys()
    values = {name: getattr(selection, name) for name in names}
    if not any(values.values()):
        raise invalid("Choose the deliveries by at least one field, such as `state` or `since`.")
    wanted = action.choose(choose_deliveries(call, selection, Right.EDIT, "#/"))
    page = DeliveryQuery(**values, cursor=selection.cursor or "")
    return act_on_matching(call, action, wanted, page, dry_run=selection.dry_run)


def act_on_matching(
    call: Call[Any, Any], action: Action, wanted: Filter, page: DeliveryQuery, *, dry_run: bool
) -> DeliveryCounts:
    """Change the next deliveries that match, or count them for a dry run.

    `page` has the values that a cursor is bound to, and the cursor. Raises ApiError.
    """
    name = f"deliveries to {action.name}{', dry run' * dry_run}"
    before = find_start(page, name)
    if dry_run:
        counts, last = _count(action, wanted, before)
    else:
        counts, last = _change(action, wanted, before)
        call.after_commit(wake)
    changed, skipped = counts
    return DeliveryCounts(
        dry_run=dry_run,
        matched=changed + skipped.total(),
        changed=changed,
        skipped=[
            SkippedDeliveries(reason=one.name.lower(), detail=one.value, count=count)
            for one, count in skipped.items()
        ],
        next_cursor=make_cursor(page, name, last) if last else None,
    )


Counts = tuple[int, Counter[SkipReason]]


def _count(action: Action, wanted: Filter, before: str | None) -> tuple[Counts, str | None]:
    """Return how many would be changed and skipped, and where to go on."""
    summary = count_matching(wanted, before, max_counted=MAX_COUNTED)
    skipped = summary.skipped if action is RESEND else Counter[SkipReason]()
    return (summary.total - skipped.total(), skipped), summary.before


def _change(action: Action, wanted: Filter, before: str | None) -> tuple[Counts, str | None]:
    """Change them; return how many were changed and skipped, and where to go on."""
    done = apply_to_batch(action.act, wanted, before, batch=MAX_CHANGED)
    return (done.changed, done.skipped), done.before
