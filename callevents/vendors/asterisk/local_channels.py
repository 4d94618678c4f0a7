"""How Asterisk's channels lead to one another, most of all through Local channels."""

from collections.abc import Sequence

from callevents.vendors.asterisk.channels import Channel, is_running_half, other_half
from callevents.vendors.tracking.legs import MAX_LEGS, Legs, Role

#: How many Local channels may stand in a row.
MAX_CHAIN = 10


class Channels(Legs[Channel]):
    """The running channels; halves of Local ones are also found by name."""

    def __init__(self, limit: int = MAX_LEGS) -> None:
        super().__init__(limit)
        self._halves: dict[str, str] = {}

    def index(self, channel: Channel) -> None:
        """Let the channel be found by its other half, if it has one."""
        if other_half(channel.name):
            self._halves[channel.name] = channel.id

    def forget(self, channel: Channel) -> None:
        """Undo `index`."""
        if self._halves.get(channel.name) == channel.id:
            del self._halves[channel.name]

    def calling_phones(self, channel: Channel | None) -> Sequence[Channel]:
        """Return whose phone dials on this channel: its own, or one that was rung before."""
        if channel is None:
            return []
        if channel.extension:
            return [channel] if channel.role is Role.CALLER else []
        phones = [leg for uid in channel.own_phones if (leg := self.get(uid))]
        return [leg for leg in phones if leg.is_ready] or (phones if len(phones) == 1 else [])

    def find_click(self, channel: Channel | None) -> Channel | None:
        """Return the Local channel for which the PBX itself, and no caller, has this one dial."""
        for _ in range(MAX_CHAIN):
            if channel is None or not is_running_half(channel.name):
                return None
            outer = self.get(self._halves.get(other_half(channel.name), ""))
            if outer is None:
                return None
            if not outer.dialled_by:
                # Its DialBegin may still be on its way, so its Linkedid tells. That of the channel
                # which a transfer makes is another's.
                return outer if outer.is_root else None
            channel = self.get(outer.dialled_by)
        return None

    def note_what_was_called(self, leg: Channel) -> None:
        """Note on a called leg which number its call's first caller dialled."""
        first = self.get(leg.call_id)
        if first is None or first.role is not Role.CALLER:
            return
        leg.called_number = first.exten
        if not first.extension and not other_half(first.name):
            leg.called_did = first.exten
