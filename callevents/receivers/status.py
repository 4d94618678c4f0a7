"""The state of receivers, such as healthy or failing; and what was delivered lately."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from callevents.db.models import Delivery, Hook, Origin, Receiver, first_id, utc_now
from callevents.delivery.hold import count_waiting
from callevents.delivery.log.filters import Filter
from callevents.delivery.request.url import origin_of
from callevents.enums import DeliveryState, ListedState
from callevents.extensions import db
from callevents.receivers.left_out import explain, find_left_out
from callevents.security.client_certificate import read_certificate

#: Deliveries of this time are counted.
RECENT = timedelta(hours=1)
#: Deliveries of each request among which one that was sent is searched, the newest first.
MAX_SEARCHED = 100


class Health(StrEnum):
    """Whether a receiver takes its requests."""

    #: A secret was left out of an import: nothing is sent until it is entered.
    NEEDS_SECRET = "needs-secret"  # noqa: S105  # a name
    #: It has no requests yet, or nothing was sent to it: see MAX_SEARCHED.
    UNUSED = "unused"
    HEALTHY = "healthy"
    #: The last attempts of some requests failed, or requests are suspended.
    FAILING = "failing"
    #: It was unreachable several times: nothing is sent until `paused_until`.
    PAUSED = "paused"


@dataclass(frozen=True)
class ReceiverStatus:
    """The state of a receiver."""

    requests: int = 0
    active: int = 0
    suspended: int = 0
    #: When the first failure since the last success was, of the request that fails longest.
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    pause_reason: str = ""
    #: Why its access token could not be renewed; empty if it could.
    renewal_error: str = ""
    #: A sentence if its client certificate is not valid, or not for long.
    certificate_warning: str = ""
    #: Whether an attempt was made to send it something.
    was_sent: bool = False
    #: The fields whose secrets were left out of an import.
    missing_secrets: Sequence[str] = ()
    #: What to enter then, and where.
    needs: str = ""

    @property
    def health(self) -> Health:
        """Whether the receiver takes its requests."""
        if self.missing_secrets:
            return Health.NEEDS_SECRET
        if self.paused_until is not None:
            return Health.PAUSED
        if self.failing_since is not None or self.suspended or self.renewal_error:
            return Health.FAILING
        return Health.HEALTHY if self.requests and self.was_sent else Health.UNUSED


@dataclass(frozen=True)
class Recent:
    """What was delivered to a receiver lately."""

    #: Deliveries that wait, now.
    waiting: int
    #: Of the time RECENT, by state.
    counts: Mapping[DeliveryState, int]
    #: The newest delivery; None: there is none.
    last: Delivery | None


def find_statuses(receivers: Sequence[Receiver]) -> Mapping[int, ReceiverStatus]:
    """Return the states of receivers, by ID, with three queries."""
    is_suspended = func.count(Hook.suspended_at)
    counts = (
        select(
            Hook.receiver_id,
            func.count(),
            func.count().filter(Hook.active, Hook.suspended_at.is_(None)),
            is_suspended,
            func.min(Hook.failing_since).filter(Hook.active),
        )
        .where(Hook.receiver_id.in_([receiver.id for receiver in receivers]))
        .group_by(Hook.receiver_id)
    )
    by_id = {row[0]: row[1:] for row in db.session.execute(counts)}
    names = {receiver.id: origin_of(receiver.address) for receiver in receivers}
    found = select(Origin).where(Origin.name.in_(set(names.values())))
    origins = {origin.name: origin for origin in db.session.scalars(found)}
    used = _find_used(receivers)
    return {
        receiver.id: _make_status(
            receiver,
            by_id.get(receiver.id),
            origins.get(names[receiver.id]),
            was_sent=receiver.id in used,
        )
        for receiver in receivers
    }


def find_status(receiver: Receiver) -> ReceiverStatus:
    """Return the state of a receiver."""
    return find_statuses([receiver])[receiver.id]


def try_now(receiver: Receiver) -> bool:
    """Let a delivery to a paused receiver be sent as a probe now; return False if it is not paused.

    The caller commits and wakes the workers.
    """
    now = utc_now()
    moved: Any = db.session.execute(
        update(Origin)
        .where(Origin.name == origin_of(receiver.address), Origin.probe_at > now)
        .values(probe_at=now)
    )
    return bool(moved.rowcount)


def find_recent(receiver: Receiver) -> Recent:
    """Return what was delivered to the receiver lately."""
    hook_ids = db.session.scalars(select(Hook.id).where(Hook.receiver_id == receiver.id)).all()
    if not hook_ids:
        return Recent(0, {}, None)
    # Of each request, by its index.
    newest = (
        select(Delivery.id)
        .where(Delivery.hook_id == Hook.id)
        .order_by(Delivery.id.desc())
        .limit(1)
        .correlate(Hook)
        .scalar_subquery()
    )
    last_ids = db.session.scalars(select(newest).where(Hook.receiver_id == receiver.id)).all()
    last = max((one for one in last_ids if one is not None), default=None)
    recent = (
        select(Delivery.state, func.count())
        .where(Delivery.hook_id.in_(hook_ids), Delivery.id >= first_id(utc_now() - RECENT))
        .group_by(Delivery.state)
    )
    return Recent(
        count_waiting(hook_ids),
        {row[0]: row[1] for row in db.session.execute(recent)},
        db.session.get(Delivery, last) if last else None,
    )


def failed_since(receiver: Receiver, since: datetime) -> Filter:
    """Return the filter for the receiver's failed deliveries, to send them again."""
    own = select(Hook.id).where(Hook.receiver_id == receiver.id)
    pbx_ids = set(db.session.scalars(select(Hook.pbx_id).where(Hook.receiver_id == receiver.id)))
    return Filter(
        state=ListedState.FAILED,
        origin=origin_of(receiver.address),
        since=since,
        limit=lambda one: one.hook_id.in_(own),
        pbx_ids=pbx_ids,
    )


def _find_used(receivers: Sequence[Receiver]) -> Collection[int]:
    """Return the IDs of the receivers to which something was sent."""
    # There may be any number of deliveries without an attempt, such as skipped ones. Only the
    # index of deliveries by hook gives this order of a range.
    newest = (
        select(Delivery.attempts)
        .where(Delivery.hook_id.between(Hook.id, Hook.id))
        .order_by(Delivery.hook_id.desc(), Delivery.id.desc())
        .limit(MAX_SEARCHED)
        .correlate(Hook)
        .subquery()
    )
    is_sent = select(newest.c.attempts).where(newest.c.attempts > 0).correlate(Hook).exists()
    # One request is enough.
    used = (
        select(Hook.id)
        .where(Hook.receiver_id == Receiver.id, is_sent)
        .limit(1)
        .correlate(Receiver)
        .scalar_subquery()
    )
    ids = [one.id for one in receivers]
    query = select(Receiver.id).where(Receiver.id.in_(ids), used.is_not(None))
    return set(db.session.scalars(query))


def _make_status(
    receiver: Receiver, counts: Sequence[Any] | None, origin: Origin | None, *, was_sent: bool
) -> ReceiverStatus:
    requests, active, suspended, failing_since = counts or (0, 0, 0, None)
    breaker = origin if origin and origin.is_open else None
    missing = find_left_out(receiver)
    return ReceiverStatus(
        requests,
        active,
        suspended,
        failing_since,
        breaker.probe_at if breaker else None,
        breaker.error if breaker else "",
        receiver.renewal_error,
        _find_certificate_warning(receiver),
        was_sent,
        missing,
        explain(receiver, missing),
    )


def _find_certificate_warning(receiver: Receiver) -> str:
    if not receiver.client_certificate:
        return ""
    return read_certificate(receiver.client_certificate).warning(utc_now())
