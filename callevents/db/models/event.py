"""Call events, as accepted."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import Pbx
from callevents.db.types import (
    MAX_NUMBER_LENGTH,
    IntEnumColumn,
    PublicId,
    UtcDateTime,
    new_id,
    text_enum,
    utc_now,
)
from callevents.enums import CallFlow, CallStatus, EventType
from callevents.extensions import Model

#: The fields that a report and an event share.
REPORTED = (
    "event_type",
    "extension",
    "call_id",
    "leg_id",
    "peer",
    "caller_number",
    "caller_name",
    "caller_extension",
    "called_number",
    "called_extension",
    "called_did",
    "flow",
    "status",
    "cause",
    "duration_seconds",
    "is_late",
    "queue",
    "started_at",
    "answered_at",
    "answered_by",
)


class CallEvent(Model):
    """Something that happened to one extension in one call, as accepted."""

    __tablename__ = "call_event"
    __table_args__ = (
        UniqueConstraint("pbx_id", "key"),
        Index("ix_call_event_pbx_id_received_at", "pbx_id", "received_at"),
        # With the time: otherwise SQLite reads all of the PBX's events since then for each hangup.
        Index("ix_call_event_pbx_id_call_id_received_at", "pbx_id", "call_id", "received_at"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    #: Identifies duplicate reports of the event; see ingest/dedup_key.py.
    key: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    extension: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH))
    call_id: Mapped[str] = mapped_column(String(255), default="")
    leg_id: Mapped[str] = mapped_column(String(255), default="")
    peer: Mapped[str] = mapped_column(String(255), default="")
    caller_number: Mapped[str] = mapped_column(String(255), default="")
    caller_name: Mapped[str] = mapped_column(String(255), default="")
    caller_extension: Mapped[str] = mapped_column(String(255), default="")
    called_number: Mapped[str] = mapped_column(String(255), default="")
    called_extension: Mapped[str] = mapped_column(String(255), default="")
    called_did: Mapped[str] = mapped_column(String(255), default="")
    flow: Mapped[CallFlow | None] = mapped_column(text_enum(CallFlow, 8))
    status: Mapped[CallStatus | None] = mapped_column(text_enum(CallStatus, 16))
    cause: Mapped[int | None] = mapped_column(SmallInteger)
    duration_seconds: Mapped[int | None] = mapped_column(Integer)
    #: True if `happened_at` is when a listener learned of the event, after a disconnect.
    is_late: Mapped[bool] = mapped_column(default=False)
    #: The queue in which the caller waited.
    queue: Mapped[str] = mapped_column(String(255), default="", server_default="")
    #: Of hangups: when the extension's part of the call began, when it was answered, and by whom.
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_by: Mapped[str] = mapped_column(String(255), default="", server_default="")
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    pbx: Mapped[Pbx] = relationship()
