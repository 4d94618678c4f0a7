"""Reports that were rejected or ignored."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.models.pbx import Pbx
from callevents.db.types import PublicId, UtcDateTime, new_id, utc_now
from callevents.extensions import Model


class DiscardedReport(Model):
    """A report that was rejected or ignored, kept for an hour to show why."""

    __tablename__ = "discarded_report"
    __table_args__ = (Index("ix_discarded_report_pbx_id_id", "pbx_id", "id"),)

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: The HTTP status that was returned.
    status: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str] = mapped_column(Text)
    #: The beginning of the request, secrets masked.
    sent: Mapped[str] = mapped_column(Text)
