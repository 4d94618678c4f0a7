"""Suspends hooks whose receiver is gone, or whose attempts have all failed for long.

In transactions of its own: changing a hook locks it before its deliveries, recording an outcome
has the deliveries locked already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, bindparam, exists, select, update

from callevents.config.settings import Settings
from callevents.db.models import Attempt, Delivery, Hook, first_id
from callevents.delivery.http.client import Response
from callevents.delivery.http.deadline import INTERRUPTED
from callevents.delivery.notifications import announce_suspension
from callevents.delivery.outbox import end_waiting
from callevents.delivery.retry import GONE, describe_age
from callevents.enums import DeliveryState

log = structlog.get_logger("callevents.delivery")


#: Deliveries that are attempted may have been made so long ago: the longest age, and then some.
OLDEST = timedelta(days=30)

_HEALTH = select(Hook.id, Hook.failing_since).where(
    Hook.id.in_(bindparam("ids", expanding=True)), Hook.suspended_at.is_(None)
)


def find_changed(
    connection: Connection, answers: Mapping[int, Sequence[Response]]
) -> dict[int, Sequence[Response]]:
    """Return the answers that change how their hook is: well ones that failed, and reversely."""
    hooks = connection.execute(_HEALTH, {"ids": list(answers)}).all()
    failing = {hook.id: hook.failing_since for hook in hooks}
    return {
        hook_id: answers[hook_id]
        for hook_id, since in failing.items()
        if since is not None
        or not any(answer.is_success for answer in answers[hook_id])
        or _wants_no_more(answers[hook_id])
    }


def note_health(
    connection: Connection,
    hook_id: int,
    answers: Sequence[Response],
    now: datetime,
    settings: Settings,
) -> None:
    """Note how attempts of the hook went; suspend it if it must be."""
    hook = connection.execute(
        select(Hook.failing_since, Hook.suspended_at).where(Hook.id == hook_id).with_for_update()
    ).one_or_none()
    if hook is None or hook.suspended_at is not None:
        return
    since = None
    if not any(answer.is_success for answer in answers):
        since = min([answer.started_at for answer in answers] + _given(hook.failing_since))
    connection.execute(update(Hook).where(Hook.id == hook_id).values(failing_since=since))
    if _wants_no_more(answers):
        reason = "The receiver answered 410 Gone: it wants no more of these requests."
        suspend(connection, hook_id, reason, now)
    elif since is not None and _has_failed_for_long(connection, hook_id, since, now, settings):
        longest = timedelta(seconds=settings.suspend_after_seconds)
        suspend(connection, hook_id, f"All attempts have failed for {describe_age(longest)}.", now)


def suspend(connection: Connection, hook_id: int, reason: str, now: datetime) -> None:
    """Suspend the hook and fail what waits for it, which can be sent again later."""
    connection.execute(
        update(Hook).where(Hook.id == hook_id).values(suspended_at=now, suspended_reason=reason)
    )
    error = f"The request was suspended: {reason}"
    end_waiting(connection, [hook_id], DeliveryState.FAILED, now, error)
    announce_suspension(connection, hook_id, reason, now)
    log.warning("request suspended", hook=hook_id, reason=reason)


def _given(moment: datetime | None) -> list[datetime]:
    return [] if moment is None else [moment]


def _has_failed_for_long(
    connection: Connection, hook_id: int, since: datetime, now: datetime, settings: Settings
) -> bool:
    """Return whether attempts have failed all through the time after which hooks are suspended.

    Two failures with silence between them, as before and after a weekend, are no such time: there
    must be one in its first half too.
    """
    longest = timedelta(seconds=settings.suspend_after_seconds)
    if now - since < longest:
        return False
    began = now - longest
    early = (
        exists()
        .where(Attempt.delivery_id == Delivery.id, Delivery.hook_id == hook_id)
        .where(Delivery.id >= first_id(began - OLDEST), Attempt.started_at >= began)
        .where(Attempt.started_at <= now - longest / 2, Attempt.error != INTERRUPTED)
    )
    return bool(connection.scalar(select(early)))


def _wants_no_more(answers: Iterable[Response]) -> bool:
    return any(answer.status_code == GONE for answer in answers)
