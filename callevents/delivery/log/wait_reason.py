"""Reasons why deliveries wait."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

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

    #: True if an earlier delivery of the same call to the same origin is sent first.
    is_behind: bool = False
    #: The ID of that delivery; None if the user may not see it.
    behind: str | None = None
    #: The origin, if its circuit breaker is open.
    origin: Origin | None = None
    next_attempt_at: datetime | None = None
    #: True if it is the end of a call that may still go on.
    may_go_on: bool = False
    #: Why it is held; empty if it is not.
    held: str = ""
    gives_up_at: datetime | None = None


def find_wait_reasons(
    deliveries: Sequence[Delivery], of_deliveries: ColumnElement[bool] | None = None
) -> dict[str, WaitReason]:
    """Return the wait reason of each delivery, by delivery id.

    `of_deliveries` is the condition for those that may be seen, as these may; None: all.
    """
    waiting = [delivery for delivery in deliveries if phase_of(delivery) in _WAITING]
    firsts = _find_firsts(waiting)
    others = {*firsts.values()} - {delivery.id for delivery in deliveries}
    hidden = others.difference(_find_visible(others, of_deliveries))
    return {
        delivery.id: _find_wait_reason(delivery, firsts.get(delivery.ordering_key), hidden)
        for delivery in deliveries
    }


def describe_hold(delivery: Delivery) -> str:
    """Return why a held delivery waits."""
    return HELD_BY_REMOVAL if delivery.hook is None else HELD_BY_DISABLING


def find_blocking_origin(delivery: Delivery) -> Origin | None:
    """Return the origin if the delivery waits because its circuit breaker is open, else None."""
    is_blocked = phase_of(delivery) in _WAITING and delivery.origin and delivery.origin.is_open
    return delivery.origin if is_blocked else None


def _find_wait_reason(delivery: Delivery, first: str | None, hidden: Collection[str]) -> WaitReason:
    phase = phase_of(delivery)
    if phase is ListedState.HELD:
        return WaitReason(held=describe_hold(delivery), gives_up_at=delivery.expires_at)
    if phase is ListedState.SENDING:
        return WaitReason(gives_up_at=delivery.expires_at)
    if phase not in _WAITING:
        return WaitReason()
    is_behind = first not in (None, delivery.id)
    next_attempt_at = None if is_behind or delivery.deferred else delivery.due_at
    return WaitReason(
        is_behind=is_behind,
        behind=first if is_behind and first not in hidden else None,
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


def _find_visible(ids: Collection[str], condition: ColumnElement[bool] | None) -> Collection[str]:
    """Return the IDs of those deliveries that the condition leaves."""
    if condition is None or not ids:
        return ids
    return set(db.session.scalars(select(Delivery.id).where(Delivery.id.in_(ids), condition)))
