"""Removals, and changes of many hooks at once, that can still be undone."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.models.pbx import Pbx
from callevents.db.types import PublicId, UtcDateTime, new_id, utc_now
from callevents.extensions import Model


class Removal(Model):
    """Hooks that were removed a moment ago, perhaps with their extension.

    Their rows are gone, so nothing else has to know of a removal. A worker ends it for good after
    a while; until then their deliveries are held, and it can be undone.
    """

    __tablename__ = "removal"
    __table_args__ = (Index("ix_removal_pbx_id", "pbx_id"),)

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    removed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: The removed rows of hooks, extensions and grants by table name: lists of values by column,
    #: as JSON has them.
    rows: Mapped[dict[str, list[dict[str, Any]]]] = mapped_column(JSON)

    @property
    def hook_ids(self) -> list[int]:
        """The ids of the removed hooks."""
        return [row["id"] for row in self.rows["hook"]]


class BulkChange(Model):
    """A change of many hooks at once, with what is needed to undo it.

    A worker removes it after a while. It has no foreign keys: hooks that are gone by then stay so.
    """

    __tablename__ = "bulk_change"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    #: The action of the history that it was recorded as.
    action: Mapped[str] = mapped_column(String(40))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)
    #: The number of hooks.
    hooks: Mapped[int] = mapped_column(Integer)
    #: Pairs of a PBX and an extension of which the hooks are; whoever may change these may undo it.
    places: Mapped[list[list[Any]]] = mapped_column(JSON)
    #: See hooks/bulk/undo.py.
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
