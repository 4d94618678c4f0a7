"""Deliveries: list and read them, and their attempts."""

import re
from typing import Any

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_cursor, make_page
from callevents.api.v1.deliveries_examples import ATTEMPT, ATTEMPT_SUMMARY, DELIVERY
from callevents.api.v1.deliveries_models import (
    Attempt,
    AttemptSummary,
    Delivery,
    DeliveryQuery,
    to_attempt,
    to_attempt_summary,
    to_deliveries,
)
from callevents.api.v1.delivery_choice import choose_deliveries
from callevents.api.v1.models import ListQuery, NoQuery, Page
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api_access.scopes import ApiScope
from callevents.db import models as stored
from callevents.delivery.attempts import find_attempt, find_attempts
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.queries import find_delivery
from callevents.enums import Right

TAG = "Deliveries"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@operation(
    "GET",
    "/deliveries",
    scope=ApiScope.DELIVERIES_READ,
    summary="List deliveries",
    tag=TAG,
    query=DeliveryQuery,
    answer=Page[Delivery],
    answer_example={"data": [DELIVERY], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_deliveries(call: Call[DeliveryQuery, None]) -> Page[Delivery]:
    """Return the deliveries that have all values of the filter, newest first.

    With some combinations of values, one request searches at most 10,000 deliveries. Its page may
    then have fewer deliveries than `limit`, or none, and still a `next_cursor`: go on until that is
    null.
    """
    query = call.query
    wanted = choose_deliveries(call, query, Right.SEE, "?")
    found = find_page(wanted, limit=query.limit, before=find_start(query, "deliveries"))
    shown = to_deliveries(call, found.found)
    cursor = make_cursor(query, "deliveries", found.before) if found.before else None
    return Page(data=[shown[row.id] for row in found.found], next_cursor=cursor)


@operation(
    "GET",
    "/deliveries/{delivery_id}",
    scope=ApiScope.DELIVERIES_READ,
    summary="Get a delivery",
    tag=TAG,
    answer=Delivery,
    has_etag=True,
    answer_example=DELIVERY,
)
def get_delivery(call: Call[NoQuery, None], delivery_id: str) -> Delivery:
    """Return one delivery, and why it waits if it does."""
    return show_delivery(call, see_delivery(call, delivery_id, Right.SEE))


@operation(
    "GET",
    "/deliveries/{delivery_id}/attempts",
    scope=ApiScope.DELIVERIES_READ,
    summary="List the attempts of a delivery",
    tag=TAG,
    query=ListQuery,
    answer=Page[AttemptSummary],
    answer_example={"data": [ATTEMPT_SUMMARY], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_delivery_attempts(call: Call[ListQuery, None], delivery_id: str) -> Page[AttemptSummary]:
    """Return the attempts made for a delivery, newest first.

    Get one of them by its number for what was sent and received.
    """
    delivery = see_delivery(call, delivery_id, Right.SEE)
    name = f"attempts of {delivery.id}"
    start = find_start(call.query, name)
    before = _read_number(start) if start else None
    rows = find_attempts(delivery, before=before, limit=call.query.limit + 1)
    numbers = call.shown_numbers(delivery.pbx)

    def show(row: stored.Attempt) -> AttemptSummary:
        return to_attempt_summary(row, delivery.call_event, numbers)

    return make_page(call.query, name, rows, lambda row: row.number, show)


@operation(
    "GET",
    "/deliveries/{delivery_id}/attempts/{number}",
    scope=ApiScope.DELIVERIES_READ,
    summary="Get an attempt",
    tag=TAG,
    answer=Attempt,
    has_etag=True,
    answer_example=ATTEMPT,
)
def get_delivery_attempt(call: Call[NoQuery, None], delivery_id: str, number: str) -> Attempt:
    """Return one attempt with the request as it was sent, and the response.

    Secrets were masked when the attempt was stored.
    """
    delivery = see_delivery(call, delivery_id, Right.SEE)
    found = find_attempt(delivery, _read_number(number))
    if found is None:
        raise not_found("attempt")
    return to_attempt(found, delivery.call_event, call.shown_numbers(delivery.pbx))


def see_delivery(call: Call[Any, Any], delivery_id: str, right: Right) -> stored.Delivery:
    """Return the delivery for which the caller has the right; raises ApiError."""
    delivery = find_delivery(delivery_id)
    if delivery is None or delivery.pbx.removing_at is not None:
        raise not_found("delivery")
    extension_id = delivery.hook.extension_id if delivery.hook else None
    call.see("delivery", right, delivery.pbx_id, extension_id)
    return delivery


def show_delivery(call: Call[Any, Any], delivery: stored.Delivery) -> Delivery:
    """Return the delivery as the caller may see it."""
    return to_deliveries(call, [delivery])[delivery.id]


def _read_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise not_found("attempt")
    return int(text)
