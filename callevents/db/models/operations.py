"""Operations tables: worker heartbeats, statistics per minute, and queued notifications."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.types import PublicId, UtcDateTime, new_id, text_enum, utc_now
from callevents.enums import Channel
from callevents.extensions import Model

_UNSENT = text("sent_at IS NULL")


class WorkerProcess(Model):
    """A worker, as it says itself every few seconds. What has gone silent has ended."""

    __tablename__ = "worker_process"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class MinuteStatistics(Model):
    """What was accepted in one minute, and what has become of it.

    Written anew while it changes; no row where nothing was accepted.
    """

    __tablename__ = "minute_statistics"

    #: Zero: of all PBXs together. No foreign key: rows go by themselves after two days.
    pbx_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    events: Mapped[int] = mapped_column(Integer)
    pending: Mapped[int] = mapped_column(Integer)
    delivered: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    cancelled: Mapped[int] = mapped_column(Integer)
    #: How many were delivered within each of the times of LATENCY_LIMITS_MS and not sooner.
    latencies: Mapped[list[int]] = mapped_column(JSON)


class Notification(Model):
    """Something that people are to be told on one channel: the outbox of notifications."""

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_due", "due_at", sqlite_where=_UNSENT, postgresql_where=_UNSENT),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    channel: Mapped[Channel] = mapped_column(text_enum(Channel, 8))
    kind: Mapped[str] = mapped_column(String(32))
    #: What it is about, as it was then.
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: When it may be sent; who sends it puts this off for as long as that may take.
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
