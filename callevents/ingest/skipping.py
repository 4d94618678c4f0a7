"""Deliveries that are not sent, because the conditions of their hook are not met."""

import json
from typing import Any

from callevents.conditions import CallFacts, Conditions, find_unmet
from callevents.delivery.request.numbers import NO_PLAN, NumberPlan
from callevents.enums import DeliveryState

Row = dict[str, Any]


def skip_unmet(delivery: Row, conditions: str, event: Row, plan: NumberPlan = NO_PLAN) -> Row:
    """Return the new delivery; skipped, with the reason, if a stored condition is not met.

    The values of the whole call, if the delivery has any, count more than those of the event.
    `plan`: that of the PBX, by which numbers are compared.
    """
    facts = CallFacts.of_event(event)
    if delivery["call_values"]:
        facts = facts.of_call(json.loads(delivery["call_values"]))
    reason = find_unmet(Conditions.read(conditions), facts, plan.to_e164)
    return skip(delivery, reason) if reason else delivery


def skip(delivery: Row, reason: str) -> Row:
    """Return the new delivery as one that is never sent, unless a user sends it again."""
    return delivery | {
        "state": DeliveryState.SKIPPED,
        "ordering_key": None,
        "error": reason,
        "finished_at": delivery["created_at"],
    }
