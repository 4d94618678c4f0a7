"""Why deliveries wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from callevents.db.models import Delivery, Origin
from callevents.delivery.log.filters import phase_of
from callevents.delivery.outbox import find_heads
from callevents.enums import ListedState
from callevents.extensions import db

_WAITING = frozenset({ListedState.WAITING, ListedState.RETRYING})


@dataclass(frozen=True)
class Reasons:
    """What a delivery waits for; all None while it is due, and nothing but a worker is missing."""

    #: An earlier delivery of the same call to the same origin, which goes first.
    behind: str | None = None
    #: The origin, while the circuit breaker keeps requests from it.
    origin: Origin | None = None
    next_attempt_at: datetime | None = None
    gives_up_at: datetime | None = None


def find_reasons(deliveries: Sequence[Delivery]) -> dict[str, Reasons]:
    """Return why each of the deliveries waits, if it does, by their ids."""
    waiting = [delivery for delivery in deliveries if phase_of(delivery) in _WAITING]
    firsts = _find_firsts(waiting)
    return {
        delivery.id: _find_reasons(delivery, firsts.get(delivery.ordering_key))
        for delivery in deliveries
    }


def find_paused_origin(delivery: Delivery) -> Origin | None:
    """Return the origin that the delivery waits for while its circuit breaker is open, if it is."""
    is_paused = phase_of(delivery) in _WAITING and delivery.origin and delivery.origin.is_open
    return delivery.origin if is_paused else None


def _find_reasons(delivery: Delivery, first: str | None) -> Reasons:
    phase = phase_of(delivery)
    if phase is ListedState.SENDING:
        return Reasons(gives_up_at=delivery.expires_at)
    if phase not in _WAITING:
        return Reasons()
    behind = None if first == delivery.id else first
    return Reasons(
        behind=behind,
        origin=find_paused_origin(delivery),
        next_attempt_at=None if behind or delivery.deferred else delivery.due_at,
        gives_up_at=delivery.expires_at,
    )


def _find_firsts(deliveries: Sequence[Delivery]) -> dict[int | None, str]:
    """Return the id of the first open delivery of each ordering key, by ordering key."""
    ordering_keys = {
        delivery.ordering_key for delivery in deliveries if delivery.ordering_key is not None
    }
    if not ordering_keys:
        return {}
    heads = find_heads(db.session.connection(), ordering_keys)
    return {ordering_key: str(head.id) for ordering_key, head in heads.items()}
