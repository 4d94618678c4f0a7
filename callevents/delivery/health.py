"""Suspends hooks whose receiver is gone, or whose attempts have all failed for long.

In transactions of its own: changing a hook locks it before its deliveries, recording an outcome
has the deliveries locked already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, bindparam, select, update

from callevents.config import Settings
from callevents.delivery.retry import GONE, describe_age
from callevents.delivery.transport import Answer
from callevents.enums import DeliveryState
from callevents.models import Hook
from callevents.notices import announce_suspension
from callevents.outbox import end_waiting

log = structlog.get_logger("callevents.delivery")


_HEALTH = select(Hook.id, Hook.failing_since).where(
    Hook.id.in_(bindparam("ids", expanding=True)), Hook.suspended_at.is_(None)
)


def find_changed(
    connection: Connection, answers: Mapping[int, Sequence[Answer]]
) -> dict[int, Sequence[Answer]]:
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
    answers: Sequence[Answer],
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
    if reason := _find_reason(answers, since, now, settings):
        suspend(connection, hook_id, reason, now)


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


def _find_reason(
    answers: Iterable[Answer], since: datetime | None, now: datetime, settings: Settings
) -> str:
    """Return why the hook has to be suspended, empty if it has not."""
    if _wants_no_more(answers):
        return "The receiver answered 410 Gone: it wants no more of these requests."
    longest = timedelta(seconds=settings.suspend_after_seconds)
    if since is not None and now - since >= longest:
        return f"All attempts have failed for {describe_age(longest)}."
    return ""


def _wants_no_more(answers: Iterable[Answer]) -> bool:
    return any(answer.status_code == GONE for answer in answers)
