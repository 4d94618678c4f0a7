"""FreeSWITCH's event socket, in the format `plain`."""

from callevents.vendors.freeswitch.esl import EventSocketParser, is_message, write_message
from callevents.vendors.freeswitch.session import EventSocketSession
from callevents.vendors.freeswitch.tracker import CLOCK, FreeswitchTracker

__all__ = [
    "CLOCK",
    "EventSocketParser",
    "EventSocketSession",
    "FreeswitchTracker",
    "is_message",
    "write_message",
]
