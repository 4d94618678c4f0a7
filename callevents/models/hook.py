"""Hooks: the configured requests."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.enums import EventType, Method
from callevents.extensions import Model
from callevents.models.columns import (
    EVENT_ID_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_URL_LENGTH,
    IntEnumColumn,
    UtcDateTime,
    new_event_id,
    text_enum,
    utc_now,
)
from callevents.models.pbx import Extension, Pbx


class Hook(Model):
    """A configured request: extension, or all of a PBX, x event type -> method, URL, note."""

    __tablename__ = "hook"
    __table_args__ = (
        Index("ix_hook_pbx_id_event_type", "pbx_id", "event_type"),
        Index("ix_hook_extension_id", "extension_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(
        String(EVENT_ID_LENGTH), unique=True, default=new_event_id
    )
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    #: None: the hook applies to all extensions of the PBX.
    extension_id: Mapped[str | None] = mapped_column(ForeignKey(Extension.id, ondelete="CASCADE"))
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    method: Mapped[Method] = mapped_column(text_enum(Method, 8), default=Method.GET)
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    note: Mapped[str] = mapped_column(String(MAX_NOTE_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    pbx: Mapped[Pbx] = relationship()
    extension: Mapped[Extension | None] = relationship()
