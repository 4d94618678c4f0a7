"""FreeSWITCH's channels as legs, and how one leads to another."""

from dataclasses import dataclass, field

from callevents.vendors.tracking.fields import Message, id_of, text_of
from callevents.vendors.tracking.legs import Leg, Legs

#: How many loopback channels may stand in a row.
MAX_CHAIN = 10
MAX_RINGING = 500


@dataclass(slots=True, kw_only=True)
class Channel(Leg):
    """A leg as FreeSWITCH knows it: one channel."""

    name: str
    is_inbound: bool
    #: The first number that was dialled on it.
    number: str = ""
    #: The channel that had it made.
    parent_id: str = ""
    #: The other half, where it is one of a loopback.
    partner_id: str = ""
    has_called: bool = False
    #: Channels that ring for it.
    ringing: set[str] = field(default_factory=set)
    #: A phone that rang for it lost the call to one that picked it up.
    was_picked_off: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether it only leads on to another channel."""
        return self.name.startswith("loopback/")

    def stop_ringing(self) -> None:
        """Note that the call which rang for it was taken."""
        self.ringing.clear()
        self.was_picked_off = False


def parent_id_of(message: Message) -> str:
    """Return the id of the channel that had this one made, empty if there is none."""
    if message.get("Other-Type") == "originator":
        return id_of(message, "Other-Leg-Unique-ID")
    # The call centre's legs have no other leg while they ring.
    if message.get("variable_cc_side") == "agent":
        return id_of(message, "variable_cc_member_session_uuid")
    return ""


def presence_of(message: Message) -> tuple[str, str]:
    """Return the number and the whole `number@domain` that the channel is registered for."""
    presence = text_of(message, "Channel-Presence-ID") or text_of(message, "variable_presence_id")
    return presence.partition("@")[0], presence


def find_root(legs: Legs[Channel], channel_id: str) -> Channel | None:
    """Return the phone or trunk at the beginning of a chain of loopback channels."""
    for _ in range(MAX_CHAIN):
        channel = legs.get(channel_id)
        if channel is None or not channel.is_loopback:
            return channel
        partner = legs.get(channel.partner_id)
        channel_id = channel.parent_id or (partner.parent_id if partner else "")
    return None
