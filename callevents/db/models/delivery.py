"""Deliveries and their attempts: the outbox, and the log of what became of it."""

from datetime import datetime
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

#: What the log says of deliveries that came while their request was suspended.
SUSPENDED_ERROR = "The request was suspended when this call event came."

PENDING = DeliveryState.PENDING


def _is(state: DeliveryState) -> TextClause:
    return text(f"state = '{state}'")


def _index(name: str, *columns: str, state: DeliveryState) -> Index:
    """Return an index of the deliveries in one state only."""
    return Index(name, *columns, sqlite_where=_is(state), postgresql_where=_is(state))


class Delivery(Model):
    """One call event on its way to one hook. Together the pending ones are the outbox.

    `due_at` is when a worker may claim it. Claiming sets it to the end of the lease and adds one
    to `fence`, so a killed worker's delivery becomes due again by itself, and what a worker says
    late, after another has claimed the delivery, is told from what counts.

    Deliveries of one ordering key are sent one after the other, in the order of `happened_at` and
    `id`. A worker that claims one whose turn has not come defers it: it moves `due_at` later.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        # Where workers look: what is due of an origin, first attempts and retries each on their
        # own, so that neither a large backlog of one origin nor retries hide what else is due.
        _index("ix_delivery_due", "is_retry", "origin_id", "due_at", "id", state=PENDING),
        _index("ix_delivery_ordering_key", "ordering_key", "happened_at", "id", state=PENDING),
        _index("ix_delivery_expires", "expires_at", state=PENDING),
        _index("ix_delivery_hook_open", "hook_id", "id", state=PENDING),
        _index("ix_delivery_pbx_open", "pbx_id", "id", state=PENDING),
        _index("ix_delivery_pbx_failed", "pbx_id", "id", state=DeliveryState.FAILED),
        _index("ix_delivery_pbx_cancelled", "pbx_id", "id", state=DeliveryState.CANCELLED),
        Index("ix_delivery_hook_id_id", "hook_id", "id"),
        Index("ix_delivery_call_event_id", "call_event_id"),
        Index("ix_delivery_pbx_id_id", "pbx_id", "id"),
        Index("ix_delivery_pbx_id_extension_id", "pbx_id", "extension", "id"),
        Index("ix_delivery_pbx_id_event_type_id", "pbx_id", "event_type", "id"),
        Index("ix_delivery_pbx_id_call_id_id", "pbx_id", "call_id", "id"),
        Index("ix_delivery_origin_id_id", "origin_id", "id"),
        CheckConstraint("attempts >= 0", "attempts"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    call_event_id: Mapped[str] = mapped_column(ForeignKey(CallEvent.id, ondelete="CASCADE"))
    #: The event's, kept here too so that the log is filtered by one table's indexes.
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    extension: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH))
    call_id: Mapped[str] = mapped_column(String(255))
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: No foreign key: removing a hook must not touch all that it ever delivered. Ids of hooks are
    #: never given again. What the hook was stays in the next columns.
    hook_id: Mapped[int] = mapped_column(Integer)
    hook_event_id: Mapped[str] = mapped_column(String(EVENT_ID_LENGTH))
    method: Mapped[Method] = mapped_column(text_enum(Method, 8))
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    origin_id: Mapped[int] = mapped_column(Integer)
    #: A number for call and origin; None where nothing has to wait. See find_ordering_key().
    ordering_key: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[DeliveryState] = mapped_column(
        text_enum(DeliveryState, 16), default=DeliveryState.PENDING
    )
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: No attempt starts later.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Whether an attempt has been made since it was created or sent again.
    is_retry: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Whether it is put off only because an earlier one of its ordering key is open.
    deferred: Mapped[bool] = mapped_column(Boolean, default=False)
    #: When the present lease began; None while no worker has it.
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: When somebody last sent it again.
    resent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Attempts that take no step of the retry schedule: those before it was sent again, and those
    #: that a worker interrupted because it stopped.
    attempts_before: Mapped[int] = mapped_column(Integer, default=0)
    #: Of the last attempt.
    attempted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str] = mapped_column(Text, default="")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    call_event: Mapped[CallEvent] = relationship()
    pbx: Mapped[Pbx] = relationship()
    hook: Mapped[Hook | None] = relationship(
        primaryjoin="foreign(Delivery.hook_id) == Hook.id", viewonly=True
    )
    origin: Mapped[Origin] = relationship(
        primaryjoin="foreign(Delivery.origin_id) == Origin.id", viewonly=True
    )


def find_ordering_key(pbx_id: int, call_id: str, origin_id: int, *, in_order: bool) -> int | None:
    """Return the ordering key of a call's deliveries to an origin; None where nothing has to wait.

    64 bits of a digest: should two calls ever share one, they wait for each other, and no more.
    """
    if not in_order or not call_id:
        return None
    digest = blake2b(f"{pbx_id}\0{origin_id}\0{call_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def in_state(state: DeliveryState, entity: Any = Delivery) -> ColumnElement[bool]:
    """Return the condition that a delivery (or an alias of the class) is in that state.

    The state is written into the statement as it is and not as a parameter: databases use their
    partial indexes only for statements that fit them whatever the parameters are.
    """
    condition: ColumnElement[bool] = entity.state == literal_column(f"'{state.value}'")
    return condition


IS_OPEN = in_state(DeliveryState.PENDING)


class Attempt(Model):
    """One HTTP request made for a delivery."""

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
    request_headers: Mapped[list[list[str]]] = mapped_column(JSON)
    request_body: Mapped[str] = mapped_column(Text, default="")
    response_headers: Mapped[list[list[str]]] = mapped_column(JSON)
    response_body: Mapped[str] = mapped_column(Text, default="")
    response_truncated: Mapped[bool] = mapped_column(Boolean, default=False)
