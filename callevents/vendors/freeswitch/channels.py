"""FreeSWITCH's channels as legs, and the chains of loopback channels between them."""

from dataclasses import dataclass, field

from callevents.vendors.tracking.fields import Message, id_of, text_of
from callevents.vendors.tracking.legs import Leg, Legs

#: Of loopback channels.
MAX_CHAIN_LENGTH = 10
MAX_RINGING = 500


@dataclass(slots=True, kw_only=True)
class Channel(Leg):
    """A leg in FreeSWITCH: one channel."""

    name: str
    is_inbound: bool
    #: The first number dialed on it.
    number: str = ""
    #: The channel for which it was created.
    parent_id: str = ""
    #: For a loopback channel: its other half.
    partner_id: str = ""
    has_called: bool = False
    #: IDs of the channels that ring for it.
    ringing: set[str] = field(default_factory=set)
    #: True if another phone picked up the call of a phone that rang for it.
    was_picked_off: bool = False

    @property
    def is_loopback(self) -> bool:
        """True if it only leads to another channel."""
        return self.name.startswith("loopback/")

    def stop_ringing(self) -> None:
        """Note that the ringing call was answered."""
        self.ringing.clear()
        self.was_picked_off = False


def parent_id_of(message: Message) -> str:
    """Return the ID of the channel for which this one was created; empty if there is none."""
    if message.get("Other-Type") == "originator":
        return id_of(message, "Other-Leg-Unique-ID")
    # Legs of mod_callcenter have no other leg while they ring.
    if message.get("variable_cc_side") == "agent":
        return id_of(message, "variable_cc_member_session_uuid")
    return ""


def presence_of(message: Message) -> str:
    """Return the channel's presence ID, `number@domain`."""
    return text_of(message, "Channel-Presence-ID") or text_of(message, "variable_presence_id")


def queue_of(message: Message) -> str:
    """Return the queue for which mod_callcenter rings this agent, without its domain."""
    if message.get("variable_cc_side") != "agent":
        return ""
    return text_of(message, "variable_cc_queue").partition("@")[0]


def is_abandoned(message: Message) -> bool:
    """Return True for the end of a caller who left the queue before an answer."""
    is_member = message.get("variable_cc_side") == "member"
    return is_member and message.get("variable_cc_cancel_reason") == "BREAK_OUT"


def find_root(legs: Legs[Channel], channel_id: str) -> Channel | None:
    """Return the phone or trunk at the start of a chain of loopback channels."""
    for _ in range(MAX_CHAIN_LENGTH):
        channel = legs.get(channel_id)
        if channel is None or not channel.is_loopback:
            return channel
        partner = legs.get(channel.partner_id)
        channel_id = channel.parent_id or (partner.parent_id if partner else "")
    return None
