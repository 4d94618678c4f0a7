"""Stored call events by their IDs."""

from callevents.db.models import CallEvent, Pbx, to_id
from callevents.errors import NotFoundError
from callevents.extensions import db


def find_event(text: str, pbx: Pbx | None = None) -> CallEvent | None:
    """Return the event with that ID, of that PBX if one is given; None without one."""
    event_id = to_id(text)
    event = db.session.get(CallEvent, event_id) if event_id else None
    return event if event and pbx in (None, event.pbx) else None


def check_event(pbx: Pbx, event_id: str) -> None:
    """Raise NotFoundError unless the event is one of the PBX."""
    if find_event(event_id, pbx) is None:
        raise NotFoundError(f"{pbx.name} has no such event.")
