"""Loads the requests of claimed deliveries, and finishes those that cannot be sent."""

import time
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Connection, Row, select, update
from sqlalchemy import Engine as SqlEngine

from callevents.db.bulk import is_one_of
from callevents.db.models import IS_OPEN, CallEvent, Delivery, Hook, Origin, Pbx, utc_now
from callevents.db.models.event import REPORTED
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.answers import CallOfReceiver, load_answers, may_use_answers
from callevents.delivery.claim import Claim, Fences, OfReceiver, defer_claims
from callevents.delivery.expiry import EXPIRED_ERROR
from callevents.delivery.lease import Lease
from callevents.delivery.orphans import settle_orphans
from callevents.delivery.outbox import find_heads, first_of_key, release_ordering_keys
from callevents.delivery.request.build import Request
from callevents.delivery.request.load import PLAN_COLUMNS, REQUEST_COLUMNS, make_request
from callevents.delivery.request.receiver import LoadedReceiver, load_receivers
from callevents.enums import AuthKind, DeliveryState
from callevents.security.encryption import Cipher

_EVENT_COLUMNS = [getattr(CallEvent, name) for name in (*REPORTED, "happened_at")]

#: A request is sent within this time after it was read, or read again.
FRESH_SECONDS = 0.1

log = structlog.get_logger("callevents.delivery")

_LOAD = (
    select(
        Delivery.id.label("delivery_id"),
        Delivery.fence,
        Delivery.origin_id,
        Delivery.hook_id,
        Delivery.pbx_id,
        Delivery.expires_at,
        Origin.probe_at,
        Delivery.ordering_key,
        first_of_key(Delivery.ordering_key).label("first_id"),
        Delivery.call_values,
        Pbx.slug,
        *PLAN_COLUMNS,
        *REQUEST_COLUMNS,
        *_EVENT_COLUMNS,
    )
    .join(CallEvent, Delivery.call_event_id == CallEvent.id)
    .join(Hook, Delivery.hook_id == Hook.id)
    .join(Pbx, Delivery.pbx_id == Pbx.id)
    .join(Origin, Delivery.origin_id == Origin.id)
    .where(
        is_one_of(Delivery.id, "ids"),
        IS_OPEN,
        Delivery.claimed_at.is_not(None),
        Hook.active,
        Hook.suspended_at.is_(None),
    )
    .order_by(Delivery.id)
)


class Sendable(NamedTuple):
    """The claims to send, and the ordering keys of those that were deferred."""

    claims: Sequence[Claim]
    deferred: Set[int]


def load_sendable(database: SqlEngine, claimed: Fences, lease: Lease, cipher: Cipher) -> Sendable:
    """Load the claims; finish those that have expired, hold those of disabled hooks.

    Those that are not the first of their ordering keys are deferred. `claimed`: fences by delivery
    id.
    """
    with read_connection(database) as connection:
        claims, unreadable = load_claims(connection, claimed, lease, cipher)
    now = utc_now()
    expired = {claim.delivery_id for claim in claims if claim.expires_at < now}
    orphans = claimed.keys() - {claim.delivery_id for claim in claims} - unreadable
    # Each in a transaction of its own, which locks in one order from its first to its last.
    if expired:
        fences = {delivery_id: claimed[delivery_id] for delivery_id in expired}
        with write_transaction(database) as connection:
            finish_without_attempt(
                connection, fences, DeliveryState.FAILED, utc_now(), EXPIRED_ERROR
            )
    if orphans:
        fences = {delivery_id: claimed[delivery_id] for delivery_id in orphans}
        with write_transaction(database) as connection:
            settle_orphans(connection, fences, utc_now())
    return _defer(database, [claim for claim in claims if claim.delivery_id not in expired])


def _defer(database: SqlEngine, claims: Sequence[Claim]) -> Sendable:
    """Defer the claims that have to wait for an earlier delivery.

    They were the first when they were claimed: two processes that store events of a call at the
    same moment do not see each other's, and an earlier delivery may have been held, and go on now.
    """
    keys = {claim.delivery_id: claim.behind for claim in claims if claim.behind is not None}
    if not keys:
        return Sendable(claims, frozenset())
    with write_transaction(database) as connection:
        heads = find_heads(connection, set(keys.values()))
        # A key has no first one if all its deliveries have ended meanwhile, this one too.
        behind = {
            one.delivery_id: one.fence
            for one in claims
            if (head := heads.get(keys.get(one.delivery_id, 0))) and head.id != one.delivery_id
        }
        defer_claims(connection, behind, utc_now())
    firsts = [claim for claim in claims if claim.delivery_id not in behind]
    return Sendable(firsts, {keys[delivery_id] for delivery_id in behind})


def load_claims(
    connection: Connection, claimed: Fences, lease: Lease, cipher: Cipher
) -> tuple[list[Claim], set[str]]:
    """Return the claims with their requests, in the order of their events.

    Read after the claim is committed: deliveries cancelled, disabled, attempted or claimed by
    another worker since are left out. The second value has the ids of deliveries whose request
    could not be built.
    """
    claims: list[Claim] = []
    unreadable: set[str] = set()
    found = connection.execute(_LOAD, {"ids": list(claimed)}).all()
    rows = [row for row in found if row.fence == claimed[row.delivery_id]]
    receivers = load_receivers(connection, rows)
    answers = load_answers(connection, map(_call_of, filter(may_use_answers, rows)))
    for row in rows:
        try:
            receiver = receivers.get((row.receiver_id, row.pbx_id))
            claims.append(_make_claim(row, lease, cipher, receiver, answers))
        except Exception as error:  # one bad row must not block the others
            log.error(
                "could not build the request of a delivery",
                delivery=row.delivery_id,
                exc_info=error,
            )
            unreadable.add(row.delivery_id)
    return claims, unreadable


def finish_without_attempt(
    connection: Connection,
    claimed: Fences,
    state: DeliveryState,
    now: datetime,
    error: str = "",
) -> None:
    """Finish claimed deliveries without an attempt, unless another worker has claimed them since.

    `claimed`: fences by delivery id.
    """
    # All transactions lock deliveries in this order, so that no two can deadlock.
    rows = connection.execute(
        select(Delivery.id, Delivery.fence, Delivery.ordering_key)
        .where(Delivery.id.in_(claimed), IS_OPEN, Delivery.claimed_at.is_not(None))
        .order_by(Delivery.id)
        .with_for_update()
    )
    current = {row.id: row.ordering_key for row in rows if row.fence == claimed[row.id]}
    connection.execute(
        update(Delivery)
        .where(Delivery.id.in_(current))
        .values(state=state, finished_at=now, claimed_at=None, error=error)
    )
    release_ordering_keys(connection, current.values(), now)


def _call_of(row: Row[*tuple[Any, ...]]) -> CallOfReceiver:
    return CallOfReceiver(row.pbx_id, row.call_id, row.receiver_id)


def _make_claim(
    row: Row[*tuple[Any, ...]],
    lease: Lease,
    cipher: Cipher,
    receiver: LoadedReceiver | None,
    answers: Mapping[CallOfReceiver, Mapping[str, str]],
) -> Claim:
    kept = answers.get(_call_of(row), {}) if answers else {}
    request = make_request(row, cipher, receiver, kept)
    return Claim(
        row.delivery_id,
        row.fence,
        row.origin_id,
        row.hook_id,
        row.expires_at,
        request,
        lease,
        time.monotonic() + FRESH_SECONDS,
        is_breaker_open=row.probe_at is not None,
        behind=row.ordering_key if row.first_id not in {None, row.delivery_id} else None,
        receiver=_of_receiver(row, receiver, request) if receiver else None,
    )


def _of_receiver(
    row: Row[*tuple[Any, ...]], receiver: LoadedReceiver, request: Request
) -> OfReceiver:
    uses_token = row.auth is AuthKind.RECEIVER and receiver.row.auth.is_oauth
    return OfReceiver(
        receiver.row.id,
        row.pbx_id,
        row.call_id,
        receiver.row.access_token if uses_token else "",
        # Without a problem: otherwise nothing is sent, and the token is not needed.
        request.lacks_token_of is not None and not request.problem,
        receiver.row.max_per_second,
    )
