"""Records what came of attempts: a row for each, and the delivery's new state; in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from callevents.delivery.claim import Claim
from callevents.delivery.retry import find_next_attempt
from callevents.delivery.transport import Answer
from callevents.enums import DeliveryState
from callevents.models import Attempt, Delivery

Values = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """An attempt that was made, and what came of it.

    `interrupted`: it was the worker that ended it, so that the delivery is due again at once.
    """

    claim: Claim
    answer: Answer
    interrupted: bool = False


def record(connection: Connection, outcomes: Iterable[Outcome], now: datetime) -> None:
    """Record the outcomes in the connection's transaction."""
    waiting = sorted(outcomes, key=lambda outcome: (outcome.claim.delivery_id, outcome.claim.fence))
    while waiting:
        # One of each delivery at a time: a worker that the database had left alone for longer than
        # a lease may have two, and the second builds on what the first has changed.
        firsts = {outcome.claim.delivery_id: outcome for outcome in reversed(waiting)}
        _record(connection, list(firsts.values()), now)
        waiting = [one for one in waiting if one is not firsts[one.claim.delivery_id]]


def _record(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Record outcomes of different deliveries."""
    rows = _lock(connection, outcomes)
    attempts: list[Values] = []
    updates: list[Values] = []
    for outcome in outcomes:
        row = rows.get(outcome.claim.delivery_id)
        if row is None:
            continue  # Deleted with its PBX.
        attempts.append(_attempt(outcome, row.attempts + 1))
        updates.append(_update(outcome, row, now))
    if attempts:
        connection.execute(insert(Attempt), attempts)
        connection.execute(_UPDATE, updates)


def _lock(connection: Connection, outcomes: Sequence[Outcome]) -> dict[str, Row[Any]]:
    """Lock the deliveries, in the order that cancelling uses too; return them by id."""
    ids = [outcome.claim.delivery_id for outcome in outcomes]
    rows = connection.execute(
        select(Delivery.id, Delivery.fence, Delivery.state, Delivery.attempts, Delivery.due_at)
        .add_columns(Delivery.claimed_at, Delivery.finished_at)
        .where(Delivery.id.in_(ids))
        .order_by(Delivery.id)
        .with_for_update()
    )
    return {row.id: row for row in rows}


_UPDATE = (
    update(Delivery.__table__)  # type: ignore[arg-type]  # a declared class's table is a Table
    .where(Delivery.__table__.c.id == bindparam("delivery_id"))
    .values(
        {
            name: bindparam(name)
            for name in (
                "state",
                "attempts",
                "due_at",
                "claimed_at",
                "attempted_at",
                "duration_ms",
                "status_code",
                "error",
                "finished_at",
            )
        }
    )
)


def _attempt(outcome: Outcome, number: int) -> Values:
    request, answer = outcome.claim.request, outcome.answer
    return {
        "delivery_id": outcome.claim.delivery_id,
        "number": number,
        "started_at": answer.started_at,
        "duration_ms": answer.duration_ms,
        "status_code": answer.status_code,
        "error": answer.error,
        "method": request.method,
        "url": request.url,
        "request_headers": [[name, value] for name, value in request.headers.items()],
        "request_body": request.body,
        "response_headers": answer.headers,
        "response_body": answer.body,
        "response_truncated": answer.truncated,
    }


def _update(outcome: Outcome, row: Row[Any], now: datetime) -> Values:
    answer = outcome.answer
    return {
        "delivery_id": row.id,
        "attempts": row.attempts + 1,
        "attempted_at": answer.started_at,
        "duration_ms": answer.duration_ms,
        "status_code": answer.status_code,
        "error": answer.error,
        **_next_state(outcome, row, now),
    }


def _next_state(outcome: Outcome, row: Row[Any], now: datetime) -> Values:
    """Return the delivery's state after the outcome, and when it is due or was finished."""
    unchanged = {
        name: getattr(row, name) for name in ("state", "due_at", "claimed_at", "finished_at")
    }
    is_open = row.state in {DeliveryState.PENDING, DeliveryState.CANCELLED}
    if outcome.answer.is_success and is_open:
        return unchanged | _finished(DeliveryState.DELIVERED, now)
    if row.fence != outcome.claim.fence or row.state is not DeliveryState.PENDING:
        # Another worker has it by now, or it was cancelled: only the attempt is news.
        return unchanged
    if outcome.interrupted:
        return unchanged | {"due_at": now, "claimed_at": None}
    due_at = find_next_attempt(row.attempts + 1, outcome.claim.created_at, now)
    if due_at is None:
        return unchanged | _finished(DeliveryState.FAILED, now)
    return unchanged | {"due_at": due_at, "claimed_at": None}


def _finished(state: DeliveryState, now: datetime) -> Values:
    return {"state": state, "claimed_at": None, "finished_at": now}
