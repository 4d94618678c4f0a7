"""The running channels of an Asterisk, and the chains of Local channels between them."""

from collections.abc import Sequence

from callevents.vendors.asterisk.channels import Channel, is_running_half, other_half
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.legs import MAX_LEGS, Legs, Role

#: Of Local channels.
MAX_CHAIN_LENGTH = 10


class Channels(Legs[Channel]):
    """The running channels; halves of Local channels are also indexed by name."""

    def __init__(self, limit: int = MAX_LEGS) -> None:
        super().__init__(limit)
        self._halves: dict[str, str] = {}

    def index(self, channel: Channel) -> None:
        """Add a half of a Local channel to the index by name."""
        if other_half(channel.name):
            self._halves[channel.name] = channel.id

    def unindex(self, channel: Channel) -> None:
        """Remove a half of a Local channel from the index."""
        if self._halves.get(channel.name) == channel.id:
            del self._halves[channel.name]

    def find_calling_phones(self, channel: Channel | None) -> Sequence[Channel]:
        """Return the phones that call on this channel: its own, or those of a click-to-call."""
        if channel is None:
            return []
        if channel.extension:
            return [channel] if channel.role is Role.CALLER else []
        phones = [leg for uid in channel.origin_phones if (leg := self.get(uid))]
        return [leg for leg in phones if leg.is_ready] or (phones if len(phones) == 1 else [])

    def find_origination(self, channel: Channel | None) -> Channel | None:
        """Return the Local channel that the PBX originated, if this channel dials for it."""
        for _ in range(MAX_CHAIN_LENGTH):
            if channel is None or not is_running_half(channel.name):
                return None
            outer = self.get(self._halves.get(other_half(channel.name), ""))
            if outer is None:
                return None
            if not outer.dialed_by:
                # Its DialBegin may still be in transit, so its Linkedid decides. The channel of a
                # transfer has the Linkedid of another channel.
                return outer if outer.is_root else None
            channel = self.get(outer.dialed_by)
        return None

    def set_called_number(self, leg: Channel, extensions: ExtensionSet) -> None:
        """Set on a called leg the number that its call's first caller dialed."""
        first = self.get(leg.call_id)
        if first is None or first.role is not Role.CALLER:
            return
        leg.called_number = first.exten
        if not other_half(first.name) and _is_trunk(first, extensions):
            leg.called_did = first.exten


def _is_trunk(caller: Channel, extensions: ExtensionSet) -> bool:
    """Return True for a trunk, even for one that was added as an extension.

    A trunk brings callers and public numbers that are no extensions.
    """
    if not caller.extension:
        return True
    is_phones_number = caller.caller_number == caller.extension
    numbers = (caller.caller_number, caller.exten)
    return not is_phones_number and not any(number in extensions for number in numbers)
