"""Records outcomes in batches: a row for each attempt, and the delivery's new state."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from callevents.config.settings import Settings
from callevents.db.bulk import bulk_insert, bulk_update, is_one_of
from callevents.db.models import Attempt, Delivery, Hook, Origin
from callevents.delivery.answers import keep_answers
from callevents.delivery.attempts import REPEATED, SentRequest, find_first_requests
from callevents.delivery.circuit_breaker import note_responses
from callevents.delivery.claim import Claim, Fences, OfReceiver, claim_next
from callevents.delivery.http.client import Response
from callevents.delivery.oauth.refused_tokens import UNAUTHORIZED
from callevents.delivery.outbox import release_ordering_keys
from callevents.delivery.retry import GONE, describe_age, find_next_attempt
from callevents.enums import DeliveryState

Values = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """An attempt and its response.

    `interrupted`: the worker aborted the attempt to stop, so the delivery is due again at once.
    """

    claim: Claim
    response: Response
    interrupted: bool = False
    #: The receiver has refused an access token, and another one may do: it is due at once.
    tries_again: bool = False

    @property
    def takes_no_step(self) -> bool:
        """True if the attempt takes no step of the retry schedule."""
        return self.interrupted or self.tries_again


@dataclass
class Recorded:
    """What follows from recorded outcomes."""

    #: Fences of the deliveries that are next and were claimed.
    next_fences: Fences = field(default_factory=dict)
    #: Since when the hooks that are not suspended have failed, by id.
    failing_since: dict[int, datetime | None] = field(default_factory=dict)


def responses_by(
    key: Callable[[Claim], int], outcomes: Iterable[Outcome]
) -> dict[int, list[Response]]:
    """Return the responses by origin or hook id, without interrupted attempts."""
    responses: dict[int, list[Response]] = {}
    for outcome in outcomes:
        if not outcome.interrupted:
            responses.setdefault(key(outcome.claim), []).append(outcome.response)
    return responses


def responses_of_receivers(outcomes: Iterable[Outcome]) -> list[tuple[OfReceiver, Response]]:
    """Return the responses to requests of receivers."""
    return [
        (outcome.claim.receiver, outcome.response)
        for outcome in outcomes
        if outcome.claim.receiver is not None
    ]


def record(
    connection: Connection,
    outcomes: Iterable[Outcome],
    now: datetime,
    settings: Settings,
    *,
    replaced: Set[tuple[int, str]] = frozenset(),
    claims_next: bool = False,
) -> Recorded:
    """Record the outcomes in the connection's transaction.

    `replaced`: refused access tokens that others replace, see `discard_refused_tokens`. The next
    delivery of an ordering key whose first one is finished is due at once. With `claims_next` it is
    claimed instead.
    """
    outcomes = list(outcomes)
    finished: set[int] = set()
    failing: set[int] = set()
    recorded = Recorded()
    waiting = sorted(outcomes, key=lambda outcome: (outcome.claim.delivery_id, outcome.claim.fence))
    while waiting:
        # One of each delivery at a time: a worker that could not reach the database for longer than
        # a lease may have two, and the second builds on the state that the first one leaves.
        firsts = {outcome.claim.delivery_id: outcome for outcome in reversed(waiting)}
        rows = _lock(connection, firsts.values())
        finished |= _record(connection, rows, list(firsts.values()), now, settings, replaced)
        # An attempt may have gone to an origin that the hook has left meanwhile.
        failing |= {
            one.claim.origin_id
            for one in firsts.values()
            if (row := rows.get(one.claim.delivery_id)) is None
            or row.origin_id != one.claim.origin_id
            or row.failures
        }
        recorded.failing_since.update(
            {row.hook_id: row.failing_since for row in rows.values() if row.is_in_use}
        )
        waiting = [one for one in waiting if one is not firsts[one.claim.delivery_id]]
    if claims_next:
        lease = timedelta(seconds=settings.lease_seconds)
        recorded.next_fences = claim_next(connection, finished, now, lease)
    else:
        release_ordering_keys(connection, finished, now)
    # Lock origins last and once: a transaction that waits for one must not block this one.
    responses = responses_by(lambda claim: claim.origin_id, outcomes)
    probed = {outcome.claim.origin_id for outcome in outcomes if outcome.claim.is_probe}
    note_responses(
        connection, responses, failing=failing, probed=probed, now=now, settings=settings
    )
    return recorded


def _record(
    connection: Connection,
    rows: Mapping[str, Row[Any]],
    outcomes: Sequence[Outcome],
    now: datetime,
    settings: Settings,
    replaced: Set[tuple[int, str]],
) -> set[int]:
    """Record outcomes of different deliveries; return the ordering keys of finished ones."""
    firsts = find_first_requests(connection, [row.id for row in rows.values() if row.attempts])
    # Those of deliveries that were deleted with their PBX are dropped.
    outcomes = [outcome for outcome in outcomes if outcome.claim.delivery_id in rows]
    attempts: list[Values] = []
    updates: list[Values] = []
    for outcome in outcomes:
        row = rows[outcome.claim.delivery_id]
        attempts.append(_attempt(outcome, row.attempts + 1, firsts.get(row.id)))
        updates.append(_update(_with_new_token(outcome, row, replaced), row, now, settings))
    if attempts:
        _INSERT.run(connection, attempts)
        _UPDATE.run(connection, updates)
        keep_answers(connection, responses_of_receivers(outcomes), now)
    finished = (one["id"] for one in updates if one["finished_at"] is not None)
    keys = {rows[delivery_id].ordering_key for delivery_id in finished}
    return {key for key in keys if key is not None}


def _with_new_token(outcome: Outcome, row: Row[Any], replaced: Set[tuple[int, str]]) -> Outcome:
    """Return the outcome; with `tries_again` if the attempt is repeated once with another token."""
    receiver = outcome.claim.receiver
    if (
        receiver is None
        or (receiver.id, receiver.token) not in replaced
        or outcome.response.status_code != UNAUTHORIZED
        or row.status_code == UNAUTHORIZED
    ):
        return outcome
    return replace(outcome, tries_again=True)


def _lock(connection: Connection, outcomes: Iterable[Outcome]) -> dict[str, Row[Any]]:
    """Lock the deliveries, in the same order as cancelling does.

    Returns them by id, with the health of their hooks and origins, which takes no other statement.
    """
    ids = [outcome.claim.delivery_id for outcome in outcomes]
    rows: Any = connection.execute(_LOCK, {"ids": ids}).all()
    return {row.id: row for row in rows}


_LOCK = (
    select(
        *(
            getattr(Delivery, name)
            for name in (
                *("id", "fence", "state", "attempts", "attempts_before", "due_at", "claimed_at"),
                *("created_at", "resent_at", "expires_at", "finished_at", "is_retry"),
                *("ordering_key", "status_code", "error", "origin_id", "hook_id"),
            )
        ),
        Origin.failures,
        Hook.failing_since,
        # Hooks can be removed, origins cannot.
        and_(Hook.id.is_not(None), Hook.suspended_at.is_(None)).label("is_in_use"),
    )
    .join(Origin, Delivery.origin_id == Origin.id)
    .outerjoin(Hook, Delivery.hook_id == Hook.id)
    .where(is_one_of(Delivery.id, "ids"))
    .order_by(Delivery.id)
    .with_for_update(of=Delivery)
)
_INSERT = bulk_insert(Attempt.__table__)
_UPDATE = bulk_update(Delivery.__table__, "id")


def _attempt(outcome: Outcome, number: int, first: SentRequest | None) -> Values:
    request, response = outcome.claim.request, outcome.response
    headers = request.shown_headers(response.started_at)
    sent = SentRequest(request.shown_url, request.shown_body)
    if sent == first:
        sent = REPEATED
    return {
        "delivery_id": outcome.claim.delivery_id,
        "number": number,
        "started_at": response.started_at,
        "duration_ms": response.duration_ms,
        "status_code": response.status_code,
        "error": response.error,
        "method": request.method,
        "url": sent.url,
        "request_headers": [list(header) for header in headers.items()],
        "request_body": sent.body,
        "response_headers": response.headers,
        "response_body": response.body,
        "response_truncated": response.truncated,
    }


def _update(outcome: Outcome, row: Row[Any], now: datetime, settings: Settings) -> Values:
    response = outcome.response
    return {
        "id": row.id,
        "attempts": row.attempts + 1,
        # Such an attempt counts like those before a resend.
        "attempts_before": row.attempts_before + outcome.takes_no_step,
        "attempted_at": response.started_at,
        "duration_ms": response.duration_ms,
        "status_code": response.status_code,
        "error": response.error,
        **_next_state(outcome, row, now, settings),
    }


def _next_state(outcome: Outcome, row: Row[Any], now: datetime, settings: Settings) -> Values:
    """Return the columns for the delivery's state after the outcome."""
    response = outcome.response
    unchanged = {
        name: getattr(row, name)
        for name in ("state", "due_at", "claimed_at", "finished_at", "is_retry")
    }
    if response.is_success and row.state is not DeliveryState.DELIVERED:
        # Even if it was failed, cancelled or claimed by another worker: the receiver has it.
        return unchanged | _finished(DeliveryState.DELIVERED, now)
    if row.state.is_finished:
        # How it was finished is worth more than a late attempt's error.
        return unchanged | {"status_code": row.status_code, "error": row.error}
    if row.fence != outcome.claim.fence:
        # Another worker has claimed it since: only the attempt is recorded.
        return unchanged
    if outcome.takes_no_step:
        return unchanged | {"due_at": now, "claimed_at": None}
    failures = row.attempts + 1 - row.attempts_before
    due_at = find_next_attempt(settings, failures, response, now, row.expires_at)
    if due_at is None:
        error = f"{response.error} {_describe_failure(response, row)}"
        return unchanged | _finished(DeliveryState.FAILED, now) | {"error": error}
    return unchanged | {"due_at": due_at, "claimed_at": None, "is_retry": True}


def _describe_failure(response: Response, row: Row[Any]) -> str:
    """Return why the delivery is not retried."""
    if response.status_code == GONE or response.is_hopeless:
        return "This delivery is not retried."
    age = describe_age(row.expires_at - (row.resent_at or row.created_at))
    return f"Gave up after {age}: the next attempt would be too late."


def _finished(state: DeliveryState, now: datetime) -> Values:
    return {"state": state, "claimed_at": None, "finished_at": now}
