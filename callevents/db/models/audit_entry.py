"""The history: who did what, when, and from where. Entries are only added, and removed by age."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.types import PublicId, UtcDateTime, new_id, utc_now
from callevents.extensions import Model

MAX_AUDIT_NAME_LENGTH = 300


class AuditEntry(Model):
    """One action. It has no foreign keys: the history outlives what it is about.

    Kinds and actions are text, not enumerations, so that entries of other versions can be read.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        # Each filter of the page is the end of an index, read backwards.
        Index("ix_audit_entry_pbx_id_id", "pbx_id", "id"),
        Index("ix_audit_entry_extension_id_id", "extension_id", "id"),
        Index("ix_audit_entry_actor_name_id", "actor_name", "id"),
        Index("ix_audit_entry_action_id", "action", "id"),
        Index("ix_audit_entry_object_id_id", "object_id", "id"),
        Index("ix_audit_entry_object_name_id", "object_name", "id"),
    )

    #: In the order of time.
    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: See audit/actor.py. `actor_id`: the ID of a user or token, or the name of a command.
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str | None] = mapped_column(String(100))
    actor_name: Mapped[str] = mapped_column(String(MAX_AUDIT_NAME_LENGTH))
    #: The address of the client; empty for commands and processes.
    address: Mapped[str] = mapped_column(String(64), default="")
    action: Mapped[str] = mapped_column(String(40))
    object_kind: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[str] = mapped_column(String(100))
    object_name: Mapped[str] = mapped_column(String(MAX_AUDIT_NAME_LENGTH))
    #: Whose data the entry is about; None: no single PBX's, or no single extension's.
    pbx_id: Mapped[int | None] = mapped_column(Integer)
    extension_id: Mapped[str | None] = mapped_column(String(36))
    #: The values that differ, without secrets.
    before: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    after: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
