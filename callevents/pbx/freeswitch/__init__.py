"""FreeSWITCH's event socket, in the format `plain`."""

from callevents.pbx.freeswitch.messages import EventSocketParser, is_message
from callevents.pbx.freeswitch.tracker import FreeswitchTracker

__all__ = ["EventSocketParser", "FreeswitchTracker", "is_message"]
