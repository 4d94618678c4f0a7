"""Reasons why deliveries wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from callevents.db.models import Delivery, Origin, utc_now
from callevents.delivery.log.filters import phase_of
from callevents.delivery.outbox import find_heads
from callevents.enums import ListedState
from callevents.extensions import db

_WAITING = frozenset({ListedState.WAITING, ListedState.RETRYING})
HELD_BY_DISABLING = "the request is disabled"
HELD_BY_REMOVAL = "the request has just been removed"


@dataclass(frozen=True)
class WaitReason:
    """Why a delivery waits; all None if it is due and only waits for a worker."""

    #: The ID of an earlier delivery of the same call to the same origin, which is sent first.
    behind: str | None = None
    #: The origin, if its circuit breaker is open.
    origin: Origin | None = None
    next_attempt_at: datetime | None = None
    #: True if it is the end of a call that may still go on.
    may_go_on: bool = False
    #: Why it is held; empty if it is not.
    held: str = ""
    gives_up_at: datetime | None = None


def find_wait_reasons(deliveries: Sequence[Delivery]) -> dict[str, WaitReason]:
    """Return the wait reason of each delivery, by delivery id."""
    waiting = [delivery for delivery in deliveries if phase_of(delivery) in _WAITING]
    firsts = _find_firsts(waiting)
    return {
        delivery.id: _find_wait_reason(delivery, firsts.get(delivery.ordering_key))
        for delivery in deliveries
    }


def describe_hold(delivery: Delivery) -> str:
    """Return why a held delivery waits."""
    return HELD_BY_REMOVAL if delivery.hook is None else HELD_BY_DISABLING


def find_blocking_origin(delivery: Delivery) -> Origin | None:
    """Return the origin if the delivery waits because its circuit breaker is open, else None."""
    is_blocked = phase_of(delivery) in _WAITING and delivery.origin and delivery.origin.is_open
    return delivery.origin if is_blocked else None


def _find_wait_reason(delivery: Delivery, first: str | None) -> WaitReason:
    phase = phase_of(delivery)
    if phase is ListedState.HELD:
        return WaitReason(held=describe_hold(delivery), gives_up_at=delivery.expires_at)
    if phase is ListedState.SENDING:
        return WaitReason(gives_up_at=delivery.expires_at)
    if phase not in _WAITING:
        return WaitReason()
    behind = None if first == delivery.id else first
    next_attempt_at = None if behind or delivery.deferred else delivery.due_at
    return WaitReason(
        behind=behind,
        origin=find_blocking_origin(delivery),
        next_attempt_at=next_attempt_at,
        may_go_on=_is_early_end(delivery) and next_attempt_at is not None,
        gives_up_at=delivery.expires_at,
    )


def _is_early_end(delivery: Delivery) -> bool:
    """Return True for the end of a call that is not due yet, because the call may go on."""
    is_end = bool(delivery.call_values) and delivery.attempts == 0
    return is_end and delivery.due_at > utc_now()


def _find_firsts(deliveries: Sequence[Delivery]) -> dict[int | None, str]:
    """Return the id of the first open delivery of each ordering key."""
    ordering_keys = {
        delivery.ordering_key for delivery in deliveries if delivery.ordering_key is not None
    }
    if not ordering_keys:
        return {}
    heads = find_heads(db.session.connection(), ordering_keys)
    return {ordering_key: str(head.id) for ordering_key, head in heads.items()}
