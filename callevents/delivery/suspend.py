"""Suspends hooks whose receiver is gone, or whose attempts have all failed for a long time.

Uses separate transactions: changing a hook locks it before its deliveries, but recording an outcome
has locked the deliveries already.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, exists, select, update

from callevents import audit
from callevents.audit.actor import WORKER
from callevents.audit.targets import of_hook_row
from callevents.config.settings import Settings
from callevents.db.models import Attempt, AuditEntry, Delivery, Extension, Hook, first_id
from callevents.delivery.http.client import Response
from callevents.delivery.http.error_messages import INTERRUPTED
from callevents.delivery.notifications import announce_suspension
from callevents.delivery.outbox import finish_open
from callevents.delivery.retry import GONE, describe_age
from callevents.enums import DeliveryState

log = structlog.get_logger("callevents.delivery")


#: Deliveries that are still attempted are not older than this, with a margin.
MAX_DELIVERY_AGE = timedelta(days=30)


def find_changed(
    responses: Mapping[int, Sequence[Response]], failing: Mapping[int, datetime | None]
) -> dict[int, Sequence[Response]]:
    """Return the responses, by hook id, that may change whether a hook counts as failing.

    `failing`: since when the hooks that are not suspended have failed.
    """
    return {
        hook_id: responses[hook_id]
        for hook_id, since in failing.items()
        if hook_id in responses
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
) -> AuditEntry | None:
    """Update since when the hook has failed; suspend it if a rule says so.

    Returns the entry of the history about the suspension, for its mirrors.
    """
    hook = connection.execute(
        select(Hook.failing_since, Hook.suspended_at).where(Hook.id == hook_id).with_for_update()
    ).one_or_none()
    if hook is None or hook.suspended_at is not None:
        return None
    since = None
    if not any(response.is_success for response in responses):
        started = [response.started_at for response in responses]
        since = min(started if hook.failing_since is None else [*started, hook.failing_since])
    _update(connection, hook_id, failing_since=since)
    if _is_gone(responses):
        return suspend(connection, hook_id, "The receiver returned 410 Gone.", now)
    if since is not None and _has_failed_for_long(connection, hook_id, since, now, settings):
        longest = timedelta(seconds=settings.suspend_after_seconds)
        reason = f"All attempts have failed for {describe_age(longest)}."
        return suspend(connection, hook_id, reason, now)
    return None


def suspend(connection: Connection, hook_id: int, reason: str, now: datetime) -> AuditEntry:
    """Suspend the hook and fail its open deliveries, which can be sent again later."""
    _update(connection, hook_id, suspended_at=now, suspended_reason=reason)
    error = f"The request was suspended: {reason}"
    finish_open(connection, [hook_id], DeliveryState.FAILED, now, error)
    announce_suspension(connection, hook_id, reason, now)
    log.warning("request suspended", hook=hook_id, reason=reason)
    return _record(connection, hook_id, reason, now)


def _update(connection: Connection, hook_id: int, **values: object) -> None:
    """Store the values; the hook was not modified by anybody."""
    values["modified_at"] = Hook.modified_at
    connection.execute(update(Hook).where(Hook.id == hook_id).values(values))


def _record(connection: Connection, hook_id: int, reason: str, now: datetime) -> AuditEntry:
    names = (Hook.event_id, Hook.event_type, Hook.pbx_id, Hook.extension_id, Extension.number)
    query = select(*names).outerjoin(Extension, Hook.extension_id == Extension.id)
    hook = connection.execute(query.where(Hook.id == hook_id)).one()
    return audit.record_on(
        connection,
        audit.Action.HOOK_SUSPENDED,
        of_hook_row(hook, hook.number),
        actor=WORKER,
        after={"reason": reason},
        at=now,
    )


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
