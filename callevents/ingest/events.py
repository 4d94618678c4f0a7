"""Stored call events by their IDs."""

from collections.abc import Collection, Sequence

from sqlalchemy import select

from callevents.db.models import CallEvent, Pbx, to_id
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope


def find_event(text: str, pbx: Pbx | None = None, scope: Scope = EVERYTHING) -> CallEvent | None:
    """Return the event with that ID, of that PBX if one is given; None without one."""
    if (event_id := to_id(text)) is None:
        return None
    event = db.session.scalar(select(CallEvent).where(CallEvent.id == event_id, scope.of_events()))
    return event if event and pbx in (None, event.pbx) else None


def list_events(ids: Collection[str]) -> Sequence[CallEvent]:
    """Return the events with these IDs."""
    if not ids:
        return []
    return db.session.scalars(select(CallEvent).where(CallEvent.id.in_(ids))).all()


def check_event(pbx: Pbx, event_id: str, scope: Scope = EVERYTHING) -> None:
    """Raise NotFoundError unless the event is one of the PBX, and in the scope."""
    if find_event(event_id, pbx, scope) is None:
        raise NotFoundError(f"{pbx.name} has no such event.")
