"""Asterisk's channels as legs, and parsing of their names."""

import re
from dataclasses import dataclass, field

from callevents.vendors.tracking.legs import Leg

#: `PJSIP/101-0000001a`: technology, endpoint, channel number in hexadecimal; IAX2's is decimal.
_PHONE = re.compile(r"(?:PJSIP|SIP|SCCP)/(.+)-[0-9a-fA-F]{8}|IAX2/(.+)-[0-9a-fA-F]{1,8}")
#: `Local/102@queue-00000001;1` is the half that is dialed, `;2` the half that runs the dialplan.
_LOCAL = re.compile(r"(Local/.+);([12])")
#: Internal extens of the dialplan, which no caller dials.
_INNER_EXTENS = {"", "s", "h", "i", "t", "o", "e", "a", "T", "failed"}


@dataclass(slots=True, kw_only=True)
class Channel(Leg):
    """A leg in Asterisk: one channel."""

    name: str
    #: The number dialed on it, from its Newchannel.
    exten: str = ""
    #: Not created for another channel: its Linkedid equals its Uniqueid.
    is_root: bool = False
    was_dialed: bool = False
    #: The Uniqueid of the channel that dialed it; empty if the PBX did.
    dialed_by: str = ""
    connected_number: str = ""
    #: Of a phone called by a click-to-call: the caller ID shown instead of the caller's number.
    shown_number: str = ""
    dial_status: str = ""
    #: For a click-to-call: the IDs of the caller's phones that talk through this channel.
    origin_phones: list[str] = field(default_factory=list)
    #: For a click-to-call: the caller's phone has answered, so the PBX dials the destination.
    is_ready: bool = False


def endpoint_of(name: str) -> str:
    """Return the endpoint in the name of a phone's or trunk's channel; empty for other channels."""
    found = _PHONE.fullmatch(name)
    return (found[1] or found[2]) if found else ""


def other_half(name: str) -> str:
    """Return the name of the other half of a Local channel; empty for other channels."""
    found = _LOCAL.fullmatch(name)
    return f"{found[1]};{3 - int(found[2])}" if found else ""


def is_running_half(name: str) -> bool:
    """Return True for the half of a Local channel that runs the dialplan."""
    found = _LOCAL.fullmatch(name)
    return found is not None and found[2] == "2"


def is_dialed_number(exten: str) -> bool:
    """Return True if a caller may have dialed this; False for internal names of the dialplan."""
    return exten not in _INNER_EXTENS
