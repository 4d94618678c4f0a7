"""FreeSWITCH: its event socket in the format `plain`, and its reports by HTTP."""

from callevents.vendors.freeswitch.session import EventSocketSession
from callevents.vendors.freeswitch.tracker import FreeswitchTracker

__all__ = ["EventSocketSession", "FreeswitchTracker"]
