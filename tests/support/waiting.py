"""Waits for conditions, instead of sleeping for a time that is hoped to be enough."""

import time
from collections.abc import Callable

from callevents.db.models import Delivery
from callevents.delivery.log import queries
from callevents.enums import DeliveryState
from callevents.extensions import db

DEADLINE_SECONDS = 30.0


def wait_until(
    condition: Callable[[], object], what: str, deadline: float = DEADLINE_SECONDS
) -> None:
    """Wait until the condition holds; fail, saying what was awaited, after the deadline."""
    give_up_at = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(0.01)


def wait_for_state(delivery_id: str, state: DeliveryState) -> Delivery:
    """Wait until the delivery is in that state; return it."""
    return wait_for_delivery(delivery_id, lambda delivery: delivery.state is state)


def wait_for_delivery(delivery_id: str, condition: Callable[[Delivery], bool]) -> Delivery:
    """Wait until the condition holds for the delivery; return it."""

    def holds() -> bool:
        # What others have committed since is seen by a new transaction only.
        db.session.rollback()
        return condition(queries.get_delivery(delivery_id))

    wait_until(holds, f"delivery {delivery_id}")
    return queries.get_delivery(delivery_id)
