"""How it goes at one PBX, as its follower notes it and the listener writes it down."""

from dataclasses import dataclass
from datetime import datetime

from callevents.enums import ConnectorState


@dataclass(kw_only=True)
class Status:
    """The present state, and counts since the follower began."""

    state: ConnectorState = ConnectorState.CONNECTING
    connected_since: datetime | None = None
    last_message_at: datetime | None = None
    messages: int = 0
    events: int = 0
    skipped: int = 0
    dropped_legs: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None


#: What is counted on in the database.
COUNTS = ("messages", "events", "skipped", "dropped_legs")
