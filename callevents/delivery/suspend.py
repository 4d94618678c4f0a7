"""Suspends hooks whose receiver is gone, or whose attempts have all failed for a long time.

Uses separate transactions: changing a hook locks it before its deliveries, but recording an outcome
has locked the deliveries already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, exists, select, update

from callevents.config.settings import Settings
from callevents.db.bulk import is_one_of
from callevents.db.models import Attempt, Delivery, Hook, first_id
from callevents.delivery.http.client import Response
from callevents.delivery.http.error_messages import INTERRUPTED
from callevents.delivery.notifications import announce_suspension
from callevents.delivery.outbox import finish_open
from callevents.delivery.retry import GONE, describe_age
from callevents.enums import DeliveryState

log = structlog.get_logger("callevents.delivery")


#: Deliveries that are still attempted are not older than this, with a margin.
MAX_DELIVERY_AGE = timedelta(days=30)

_HEALTH = select(Hook.id, Hook.failing_since).where(
    is_one_of(Hook.id, "ids"), Hook.suspended_at.is_(None)
)


def find_changed(
    connection: Connection, responses: Mapping[int, Sequence[Response]]
) -> dict[int, Sequence[Response]]:
    """Return the responses, by hook id, that may change whether a hook counts as failing."""
    hooks = connection.execute(_HEALTH, {"ids": list(responses)}).all()
    failing = {hook.id: hook.failing_since for hook in hooks}
    return {
        hook_id: responses[hook_id]
        for hook_id, since in failing.items()
        if since is not None
        or not any(response.is_success for response in responses[hook_id])
        or _is_gone(responses[hook_id])
    }


def note_health(
    connection: Connection,
    hook_id: int,
    responses: Sequence[Response],
    now: datetime,
    settings: Settings,
) -> None:
    """Update since when the hook has failed; suspend it if a rule says so."""
    hook = connection.execute(
        select(Hook.failing_since, Hook.suspended_at).where(Hook.id == hook_id).with_for_update()
    ).one_or_none()
    if hook is None or hook.suspended_at is not None:
        return
    since = None
    if not any(response.is_success for response in responses):
        started = [response.started_at for response in responses]
        since = min(started if hook.failing_since is None else [*started, hook.failing_since])
    connection.execute(update(Hook).where(Hook.id == hook_id).values(failing_since=since))
    if _is_gone(responses):
        suspend(connection, hook_id, "The receiver returned 410 Gone.", now)
    elif since is not None and _has_failed_for_long(connection, hook_id, since, now, settings):
        longest = timedelta(seconds=settings.suspend_after_seconds)
        suspend(connection, hook_id, f"All attempts have failed for {describe_age(longest)}.", now)


def suspend(connection: Connection, hook_id: int, reason: str, now: datetime) -> None:
    """Suspend the hook and fail its open deliveries, which can be sent again later."""
    connection.execute(
        update(Hook).where(Hook.id == hook_id).values(suspended_at=now, suspended_reason=reason)
    )
    error = f"The request was suspended: {reason}"
    finish_open(connection, [hook_id], DeliveryState.FAILED, now, error)
    announce_suspension(connection, hook_id, reason, now)
    log.warning("request suspended", hook=hook_id, reason=reason)


def _has_failed_for_long(
    connection: Connection, hook_id: int, since: datetime, now: datetime, settings: Settings
) -> bool:
    """Return True if attempts have failed throughout the time after which hooks are suspended.

    Two failures with no attempts between them, as before and after a weekend, do not count: one
    must be in the first half of that time.
    """
    longest = timedelta(seconds=settings.suspend_after_seconds)
    if now - since < longest:
        return False
    began = now - longest
    early = (
        exists()
        .where(Attempt.delivery_id == Delivery.id, Delivery.hook_id == hook_id)
        .where(Delivery.id >= first_id(began - MAX_DELIVERY_AGE), Attempt.started_at >= began)
        .where(Attempt.started_at <= now - longest / 2, Attempt.error != INTERRUPTED)
    )
    return bool(connection.scalar(select(early)))


def _is_gone(responses: Iterable[Response]) -> bool:
    return any(response.status_code == GONE for response in responses)
