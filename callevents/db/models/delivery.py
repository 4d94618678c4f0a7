"""Deliveries and their attempts: the outbox and the delivery log."""

from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    TextClause,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.attempt_types import Body, RequestHeaders
from callevents.db.models.event import CallEvent
from callevents.db.models.hook import Hook, Origin
from callevents.db.models.pbx import Pbx
from callevents.db.types import (
    EVENT_ID_LENGTH,
    MAX_NUMBER_LENGTH,
    MAX_URL_LENGTH,
    IntEnumColumn,
    PublicId,
    UtcDateTime,
    new_id,
    text_enum,
    utc_now,
)
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import Model

#: Error of deliveries whose event arrived while their request was suspended.
SUSPENDED_ERROR = "The request was suspended when this call event arrived."


class OpenIndex(StrEnum):
    """The indexes of open deliveries, and of held ones, by the column that finds them."""

    DUE_AT = "due_at"
    EXPIRES_AT = "expires_at"
    HOOK_ID = "hook_id"
    ORDERING_KEY = "ordering_key"
    PBX_ID = "pbx_id"


PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD


def _index(name: str, *columns: str, where: str) -> Index:
    """Return an index of some deliveries only."""
    condition: TextClause = text(where)
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


def _index_of_state(name: str, *columns: str, state: DeliveryState) -> Index:
    return _index(name, *columns, where=f"state = '{state}'")


def _index_of_open(
    name: str, *columns: str, by: OpenIndex, state: DeliveryState = DeliveryState.PENDING
) -> Index:
    """Return an index of the open deliveries, or of the held ones; see is_open_by()."""
    return _index(name, *columns, where=f"state || ' {by}' = '{state} {by}'")


class Delivery(Model):
    """One call event on its way to one hook. The pending deliveries are the outbox.

    `due_at` is when a worker may claim it. Claiming sets it to the end of the lease and increments
    `fence`. So a killed worker's delivery becomes due again automatically, and a worker's late
    outcome is recognised after another worker has claimed the delivery.

    Deliveries of one ordering key are sent one after the other, in the order of `happened_at` and
    `id`. A worker defers a delivery that is not the first: it moves `due_at` later.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        # For claims: due deliveries of an origin, first attempts and retries separately, so that
        # neither a large backlog of one origin nor retries hide other due deliveries.
        _index_of_open(
            *("ix_delivery_due", "is_retry", "origin_id", "due_at", "id"), by=OpenIndex.DUE_AT
        ),
        _index_of_open(
            *("ix_delivery_ordering_key", "ordering_key", "happened_at", "id"),
            by=OpenIndex.ORDERING_KEY,
        ),
        _index_of_open("ix_delivery_expires", "expires_at", by=OpenIndex.EXPIRES_AT),
        _index_of_open("ix_delivery_hook_open", "hook_id", "id", by=OpenIndex.HOOK_ID),
        _index_of_open("ix_delivery_pbx_open", "pbx_id", "id", by=OpenIndex.PBX_ID),
        # Not with the open ones: however many are held, a claim reads none of them.
        _index_of_open(
            "ix_delivery_held_expires", "expires_at", by=OpenIndex.EXPIRES_AT, state=HELD
        ),
        _index_of_open("ix_delivery_hook_held", "hook_id", "id", by=OpenIndex.HOOK_ID, state=HELD),
        _index_of_open("ix_delivery_pbx_held", "pbx_id", "id", by=OpenIndex.PBX_ID, state=HELD),
        _index_of_state("ix_delivery_pbx_failed", "pbx_id", "id", state=DeliveryState.FAILED),
        _index_of_state("ix_delivery_pbx_cancelled", "pbx_id", "id", state=DeliveryState.CANCELLED),
        _index_of_state("ix_delivery_pbx_skipped", "pbx_id", "id", state=DeliveryState.SKIPPED),
        Index("ix_delivery_hook_id_id", "hook_id", "id"),
        Index("ix_delivery_call_event_id", "call_event_id"),
        Index("ix_delivery_pbx_id_id", "pbx_id", "id"),
        Index("ix_delivery_pbx_id_extension_id", "pbx_id", "extension", "id"),
        CheckConstraint("attempts >= 0", "attempts"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    call_event_id: Mapped[str] = mapped_column(ForeignKey(CallEvent.id, ondelete="CASCADE"))
    #: Copied from the event, so that the log can be filtered with this table's indexes.
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    extension: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH))
    call_id: Mapped[str] = mapped_column(String(255))
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: No foreign key: removing a hook must not touch all its deliveries. Ids of hooks are never
    #: reused. The next columns keep the hook's data.
    hook_id: Mapped[int] = mapped_column(Integer)
    hook_event_id: Mapped[str] = mapped_column(String(EVENT_ID_LENGTH))
    method: Mapped[Method] = mapped_column(text_enum(Method, 8))
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    origin_id: Mapped[int] = mapped_column(Integer)
    #: A number for call and origin; None without an order. See find_ordering_key().
    ordering_key: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[DeliveryState] = mapped_column(
        text_enum(DeliveryState, 16), default=DeliveryState.PENDING
    )
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: No attempt starts later.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: True if an attempt has been made since it was created or sent again.
    is_retry: Mapped[bool] = mapped_column(Boolean, default=False)
    #: True if it only waits for an earlier open delivery of its ordering key.
    deferred: Mapped[bool] = mapped_column(Boolean, default=False)
    #: When the current lease began; None without one.
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: When a user last sent it again.
    resent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Attempts that take no step of the retry schedule: those before it was sent again, and those
    #: that a stopping worker interrupted.
    attempts_before: Mapped[int] = mapped_column(Integer, default=0)
    #: Of the last attempt.
    attempted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str] = mapped_column(Text, default="")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Of a hook that is sent once per call: a JSON object of the call's values, by parameter.
    call_values: Mapped[str] = mapped_column(Text, default="", server_default="")

    call_event: Mapped[CallEvent] = relationship()
    pbx: Mapped[Pbx] = relationship()
    hook: Mapped[Hook | None] = relationship(
        primaryjoin="foreign(Delivery.hook_id) == Hook.id", viewonly=True
    )
    origin: Mapped[Origin] = relationship(
        primaryjoin="foreign(Delivery.origin_id) == Origin.id", viewonly=True
    )


def find_ordering_key(pbx_id: int, call_id: str, origin_id: int, *, in_order: bool) -> int | None:
    """Return the ordering key of a call's deliveries to an origin; None without an order.

    64 bits of a digest: if two calls collide, their deliveries only wait for each other.
    """
    if not in_order or not call_id:
        return None
    digest = blake2b(f"{pbx_id}\0{origin_id}\0{call_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def in_state(state: DeliveryState, entity: Any = Delivery) -> ColumnElement[bool]:
    """Return the condition that a delivery (or an alias of the class) is in that state.

    The state is a literal and not a parameter: databases use a partial index only if the statement
    matches it for all parameters.
    """
    condition: ColumnElement[bool] = entity.state == literal_column(f"'{state.value}'")
    return condition


#: For deliveries with known ids: no index of open or held deliveries is used for these.
IS_OPEN = in_state(DeliveryState.PENDING)
IS_HELD = in_state(DeliveryState.HELD)


def is_open_by(index: OpenIndex, entity: Any = Delivery) -> ColumnElement[bool]:
    """Return the condition that a delivery (or an alias of the class) is open, for one index.

    Each index of open deliveries has a condition of its own, so that a statement that names one
    cannot use another. With statistics from a time when nothing was open, PostgreSQL takes all of
    them for empty, and any for as good as the right one.
    """
    return _is_marked(DeliveryState.PENDING, index, entity)


def is_held_by(index: OpenIndex, entity: Any = Delivery) -> ColumnElement[bool]:
    """Return the condition that a delivery is held, for one index; see is_open_by()."""
    return _is_marked(DeliveryState.HELD, index, entity)


def _is_marked(state: DeliveryState, index: OpenIndex, entity: Any) -> ColumnElement[bool]:
    marked = entity.state.op("||")(literal_column(f"' {index}'"))
    condition: ColumnElement[bool] = marked == literal_column(f"'{state} {index}'")
    return condition


class Attempt(Model):
    """One HTTP request made for a delivery. Read them with `list_attempts`.

    A later attempt that repeats the request of the first one has an empty `url` and `request_body`.
    """

    __tablename__ = "attempt"

    delivery_id: Mapped[str] = mapped_column(
        ForeignKey(Delivery.id, ondelete="CASCADE"), primary_key=True
    )
    #: Counts from 1 within its delivery.
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str] = mapped_column(Text, default="")
    method: Mapped[Method] = mapped_column(text_enum(Method, 8))
    url: Mapped[str] = mapped_column(Text)
    request_headers: Mapped[list[list[str]]] = mapped_column(RequestHeaders)
    request_body: Mapped[str] = mapped_column(Body, default="")
    response_headers: Mapped[list[list[str]]] = mapped_column(JSON)
    response_body: Mapped[str] = mapped_column(Body, default="")
    response_truncated: Mapped[bool] = mapped_column(Boolean, default=False)
