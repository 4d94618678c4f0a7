"""What is kept of a call while it lasts: deliveries sent once per call, and values of answers."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.models.pbx import Pbx
from callevents.db.types import PublicId, UtcDateTime, utc_now
from callevents.extensions import Model

MAX_ANSWER_NAME_LENGTH = 50


class OncePerCall(Model):
    """The delivery of a call to a hook that is sent once per call.

    The key decides which of two processes creates it. No foreign keys: rows are removed by age.
    """

    __tablename__ = "once_per_call"

    pbx_id: Mapped[int] = mapped_column(
        ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    call_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    hook_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    delivery_id: Mapped[str] = mapped_column(PublicId)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)


class CallAnswer(Model):
    """A value from a receiver's answer, for later requests of the same call to that receiver."""

    __tablename__ = "call_answer"

    pbx_id: Mapped[int] = mapped_column(
        ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    call_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    receiver_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(MAX_ANSWER_NAME_LENGTH), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)
