"""Which PBXs a list or a bulk change is about."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.db.models import Pbx
from callevents.extensions import db


def choose_pbx(call: Call[Any, Any], slug: str | None, pointer: str) -> Pbx | None:
    """Return the PBX that a filter names, None if it names none; raises ApiError."""
    return None if slug is None else find_named_pbx(call, slug, pointer)


def find_removed() -> Sequence[int]:
    """Return the IDs of the PBXs that are being removed, which do not exist for callers."""
    return db.session.scalars(select(Pbx.id).where(Pbx.removing_at.is_not(None))).all()
