"""Finds the PBX that a request names, and locks it for changes."""

from typing import Any

from callevents.api.v1.call import Call
from callevents.api.v1.reading import invalid_value
from callevents.db.locks import lock_pbx
from callevents.db.models import Pbx
from callevents.enums import Right
from callevents.extensions import db
from callevents.pbxs.pbxs import find_pbx


def read_pbx(call: Call[Any, Any], slug: str) -> Pbx:
    """Return the PBX of the path, for reading; raises ApiError."""
    return call.see_pbx(find_pbx(slug), Right.SEE_PBX)


def lock_pbx_of(call: Call[Any, Any], slug: str, right: Right) -> Pbx:
    """Return the PBX of the path as it is now, locked for a change that needs the right.

    Raises ApiError, or NotFoundError if it is being removed at this moment.
    """
    pbx = call.see_pbx(find_pbx(slug), right)
    lock_pbx(db.session.connection(), pbx.id)
    db.session.refresh(pbx)
    return pbx


def find_named_pbx(call: Call[Any, Any], slug: str, pointer: str) -> Pbx:
    """Return the PBX that a field or a filter names; raises ApiError about `pointer`.

    The owner of the token sees the PBX, or an extension of it.
    """
    pbx = find_pbx(slug)
    if (
        pbx is None
        or pbx.removing_at is not None
        or not call.principal.scope_of(Right.SEE).touches(pbx.id)
    ):
        raise invalid_value(pointer, "There is no such PBX.")
    return pbx
