"""FreeSWITCH's event socket, in the format `plain`."""

from callevents.pbx.freeswitch.messages import EventSocketParser, is_message, write_message
from callevents.pbx.freeswitch.session import EventSocketSession
from callevents.pbx.freeswitch.tracker import CLOCK, FreeswitchTracker

__all__ = [
    "CLOCK",
    "EventSocketParser",
    "EventSocketSession",
    "FreeswitchTracker",
    "is_message",
    "write_message",
]
