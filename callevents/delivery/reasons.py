"""Why a delivery waits."""

from dataclasses import dataclass
from datetime import datetime

from callevents.delivery.filters import phase_of
from callevents.enums import ListedState
from callevents.extensions import db
from callevents.models import Delivery, Origin
from callevents.outbox import find_heads

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


def find_reasons(delivery: Delivery) -> Reasons:
    """Return why the delivery waits, if it does."""
    phase = phase_of(delivery)
    if phase is ListedState.SENDING:
        return Reasons(gives_up_at=delivery.expires_at)
    if phase not in _WAITING:
        return Reasons()
    behind = _find_first(delivery)
    paused = delivery.origin if delivery.origin and delivery.origin.is_open else None
    return Reasons(
        behind=behind,
        origin=paused,
        next_attempt_at=None if behind or delivery.parked else delivery.due_at,
        gives_up_at=delivery.expires_at,
    )


def _find_first(delivery: Delivery) -> str | None:
    """Return the id of the delivery that goes first in the lane, None if it is this one."""
    if delivery.lane is None:
        return None
    heads = find_heads(db.session.connection(), [delivery.lane])
    head = heads.get(delivery.lane)
    return None if head is None or head.id == delivery.id else str(head.id)
