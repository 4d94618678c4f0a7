"""Deliveries and their attempts: the outbox, and the log of what became of it."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    literal,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.enums import DeliveryState, Method
from callevents.extensions import Model
from callevents.models.columns import (
    EVENT_ID_LENGTH,
    MAX_URL_LENGTH,
    PublicId,
    UtcDateTime,
    new_id,
    text_enum,
    utc_now,
)
from callevents.models.event import CallEvent
from callevents.models.hook import Hook
from callevents.models.pbx import Pbx


class Delivery(Model):
    """One call event on its way to one hook. Together the pending ones are the outbox.

    `due_at` is when a worker may claim it. Claiming sets it to the end of the lease and adds one
    to `fence`, so a killed worker's delivery becomes due again by itself, and what a worker says
    late, after another has claimed the delivery, is told from what counts.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "ix_delivery_due",
            "due_at",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_delivery_hook_open",
            "hook_id",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_delivery_hook_id_id", "hook_id", "id"),
        Index("ix_delivery_call_event_id", "call_event_id"),
        Index("ix_delivery_pbx_id_id", "pbx_id", "id"),
        CheckConstraint("attempts >= 0", "attempts"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    call_event_id: Mapped[str] = mapped_column(ForeignKey(CallEvent.id, ondelete="CASCADE"))
    #: No foreign key: removing a hook must not touch all that it ever delivered. Ids of hooks are
    #: never given again. What the hook was stays in the next three columns.
    hook_id: Mapped[int] = mapped_column(Integer)
    hook_event_id: Mapped[str] = mapped_column(String(EVENT_ID_LENGTH))
    method: Mapped[Method] = mapped_column(text_enum(Method, 8))
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    state: Mapped[DeliveryState] = mapped_column(
        text_enum(DeliveryState, 16), default=DeliveryState.PENDING
    )
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When the present lease began; None while no worker has it.
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
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


#: Written into statements as it is and not as a parameter: databases use the partial indexes on
#: open deliveries only for statements that are about open ones whatever their parameters are.
IS_OPEN = Delivery.state == literal(
    DeliveryState.PENDING, type_=Delivery.__table__.c.state.type, literal_execute=True
)


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
