"""Counts the channels that a disconnect has hidden, by the numbers in their Uniqueids."""

import re

#: `epoch.n`, or `systemname-epoch.n`. Asterisk counts n up from 0 for each channel that it creates.
_UNIQUEID = re.compile(r"(?:.*-)?\d{1,18}\.(\d{1,9})", re.ASCII)


class ChannelNumbers:
    """Compares the last number before a disconnect with the first one after it.

    The numbers between belong to channels in the list of running channels, to channels that have
    ended, or to nothing that AMI shows: Asterisk also uses one to write a call record, for example.
    The share of these is measured while connected.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        #: Numbers used while connected, by channels and otherwise.
        self._channels = self._others = 0
        self._is_comparing = False
        self._has_list = False
        #: The highest number since the disconnect, and how many channels have appeared.
        self._next: int | None = None
        self._appeared = 0

    def on_disconnect(self) -> None:
        """Begin to compare, if there is a number to compare with."""
        if self._next is not None:
            # There was no list, so that comparison cannot be finished.
            self._last, self._appeared = self._next, 0
        self._is_comparing = self._last is not None
        self._next, self._has_list = None, False

    def on_new_channel(self, uid: str) -> int:
        """Note a channel that begins; return how many were hidden, once it is known."""
        found = _UNIQUEID.fullmatch(uid)
        number = int(found[1]) if found else None
        if self._is_comparing:
            self._appeared += 1
            self._next = number if self._next is None else max(self._next, number or 0)
            return self._compare()
        self._channels += 1
        if number is None and self._last is not None:
            # The dialler chose the ID, but the channel has used a number too.
            number = self._last + 1
        if number is not None:
            # Two channels that begin at once may be reported in either order.
            self._others += 0 if self._last is None else max(-1, number - self._last - 1)
            self._last = max(number, self._last or 0)
        return 0

    def on_list(self, new: int) -> int:
        """Note a list with that many unknown channels; return how many were hidden, once known."""
        if not self._is_comparing:
            return 0
        self._appeared += new
        self._has_list = True
        return self._compare()

    def _compare(self) -> int:
        if not self._has_list or self._next is None or self._last is None:
            return 0
        # Asterisk has counted from 0 again if it was restarted.
        used = self._next - (self._last if self._next > self._last else -1)
        missing = max(0, used - self._appeared)
        self._last, self._next, self._appeared, self._is_comparing = self._next, None, 0, False
        return missing * self._channels // (self._channels + self._others)
