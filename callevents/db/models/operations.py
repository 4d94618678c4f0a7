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
    """A worker process and its last heartbeat."""

    __tablename__ = "worker_process"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Jobs that are not ours and that it has dropped from the queue since its start.
    foreign_jobs: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class MinuteStatistics(Model):
    """The number of events accepted in one minute, and of their deliveries by state.

    Updated while the deliveries change. A minute without events has no row.
    """

    __tablename__ = "minute_statistics"

    #: Zero: all PBXs together. No foreign key: rows are removed after two days.
    pbx_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    events: Mapped[int] = mapped_column(Integer)
    pending: Mapped[int] = mapped_column(Integer)
    held: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    delivered: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    cancelled: Mapped[int] = mapped_column(Integer)
    skipped: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    #: Histogram: deliveries delivered within each of LATENCY_LIMITS_MS, and not within a lower one.
    latencies: Mapped[list[int]] = mapped_column(JSON)


class Notification(Model):
    """A notification to users on one channel; the unsent ones are the notification outbox."""

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_due", "due_at", sqlite_where=_UNSENT, postgresql_where=_UNSENT),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    channel: Mapped[Channel] = mapped_column(text_enum(Channel, 8))
    kind: Mapped[str] = mapped_column(String(32))
    #: The data to show, as of the time it was created.
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: When it may be sent; a sender moves this later for the time that sending may take.
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
