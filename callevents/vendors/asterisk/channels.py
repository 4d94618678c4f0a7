"""Asterisk's channels: their names, and the legs that they are."""

import re
from dataclasses import dataclass, field

from callevents.vendors.tracking.legs import Leg

#: `PJSIP/101-0000001a`: technology, endpoint, number of the channel. IAX2 counts in decimals.
_PHONE = re.compile(r"(?:PJSIP|SIP|SCCP)/(.+)-[0-9a-fA-F]{8}|IAX2/(.+)-[0-9a-fA-F]{1,8}")
#: `Local/102@queue-00000001;1` is where others dial it, `;2` is where its dialplan runs.
_LOCAL = re.compile(r"(Local/.+);([12])")
#: Extens of the dialplan that nobody dialled.
_INNER_EXTENS = {"", "s", "h", "i", "t", "o", "e", "a", "T", "failed"}


@dataclass(slots=True, kw_only=True)
class Channel(Leg):
    """A leg as Asterisk knows it: one channel."""

    name: str
    #: What was dialled on it, as its Newchannel said.
    exten: str = ""
    #: Created by nobody's call: its Linkedid was its own Uniqueid.
    is_root: bool = False
    was_dialled: bool = False
    #: Whose DialBegin named it: a Uniqueid, or empty where nobody dials but the PBX itself.
    dialled_by: str = ""
    connected_number: str = ""
    dial_status: str = ""
    #: Own phones that talk through this channel.
    own_phones: list[str] = field(default_factory=list)
    #: The own phone has answered, so the PBX goes on to call for it.
    is_ready: bool = False


def endpoint_of(name: str) -> str:
    """Return the endpoint in the name of a phone's or trunk's channel, empty for other channels."""
    found = _PHONE.fullmatch(name)
    return (found[1] or found[2]) if found else ""


def other_half(name: str) -> str:
    """Return the name of the other half of a Local channel, empty if it is none."""
    found = _LOCAL.fullmatch(name)
    return f"{found[1]};{3 - int(found[2])}" if found else ""


def is_running_half(name: str) -> bool:
    """Tell whether it is the half of a Local channel that runs the dialplan."""
    found = _LOCAL.fullmatch(name)
    return found is not None and found[2] == "2"


def is_dialled_number(exten: str) -> bool:
    """Tell whether somebody may have dialled this, other than the dialplan's own names."""
    return exten not in _INNER_EXTENS
