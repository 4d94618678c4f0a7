"""Connectors: access to the event streams of PBXs, and their status."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import Pbx
from callevents.db.types import MAX_PATTERN_LENGTH, PublicId, UtcDateTime, text_enum, utc_now
from callevents.enums import ConnectorKind, ConnectorState
from callevents.extensions import Model

MAX_HOST_LENGTH = 255
MAX_USERNAME_LENGTH = 100


class Connector(Model):
    """A client of a PBX's event stream: settings, and the status that its listener writes."""

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
    #: FreeSWITCH: only phones of this domain (tenant) count; empty: all.
    domain: Mapped[str] = mapped_column(String(MAX_HOST_LENGTH), default="")
    #: Regular expression for extensions besides those added to the PBX; empty: none.
    extension_pattern: Mapped[str] = mapped_column(String(MAX_PATTERN_LENGTH), default="")
    #: When an admin last changed the settings above.
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    #: The listener that has the lease, and when the lease expires.
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
    #: Legs whose end was never received.
    dropped_legs: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Legs that began and ended while no listener was connected, at most.
    unseen_legs: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Events not stored yet.
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    last_error_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When an admin last requested the PBX's list of extensions.
    list_wanted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When the PBX last returned the list, and how many entries look like extensions.
    listed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    listed: Mapped[int] = mapped_column(Integer, default=0)
    #: Why the list is empty or incomplete, as a sentence.
    list_notice: Mapped[str] = mapped_column(Text, default="")

    pbx: Mapped[Pbx] = relationship()
