"""Connectors: how we reach PBXs' own streams of messages, and how that goes."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import Pbx
from callevents.db.types import PublicId, UtcDateTime, text_enum, utc_now
from callevents.enums import ConnectorKind, ConnectorState
from callevents.extensions import Model

MAX_HOST_LENGTH = 255
MAX_USERNAME_LENGTH = 100
MAX_PATTERN_LENGTH = 200


class Connector(Model):
    """Our client to a PBX's own event stream: what an admin has set, and what a listener says."""

    __tablename__ = "connector"

    pbx_id: Mapped[int] = mapped_column(
        ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    kind: Mapped[ConnectorKind] = mapped_column(text_enum(ConnectorKind, 16))
    host: Mapped[str] = mapped_column(String(MAX_HOST_LENGTH))
    port: Mapped[int] = mapped_column(Integer)
    username: Mapped[str] = mapped_column(String(MAX_USERNAME_LENGTH), default="")
    #: Encrypted.
    secret: Mapped[str] = mapped_column(Text)
    uses_tls: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    #: What counts as an extension beside those of the PBX; empty: nothing.
    extension_pattern: Mapped[str] = mapped_column(String(MAX_PATTERN_LENGTH), default="")
    #: When an admin changed what is above.
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    #: The listener that leads, and until when unless it says so again.
    leader_id: Mapped[str | None] = mapped_column(PublicId)
    leader_name: Mapped[str] = mapped_column(String(300), default="")
    leader_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[ConnectorState] = mapped_column(
        text_enum(ConnectorState, 16), default=ConnectorState.CONNECTING
    )
    connected_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_message_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    messages: Mapped[int] = mapped_column(BigInteger, default=0)
    events: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Messages and lines that could not be read, and events that could not be stored.
    skipped: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Legs that never ended, as far as was seen.
    dropped_legs: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Events that are not stored yet.
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    last_error_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When an admin last wanted the PBX to be asked for its extensions.
    list_wanted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When the PBX last answered that, and how many there were that look like extensions.
    listed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    listed: Mapped[int] = mapped_column(Integer, default=0)
    #: Why there are none, or not all, in a sentence.
    list_notice: Mapped[str] = mapped_column(Text, default="")

    pbx: Mapped[Pbx] = relationship()
