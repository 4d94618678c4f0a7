"""Messages of an AMI stream: lines of `Key: value`, each message ended by an empty line."""

import re
from collections.abc import Iterator

from callevents.vendors.asterisk.block import RECENT, Block, split_line
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import LineBuffer

BANNER = "Asterisk Call Manager/"
#: The second line of an event: its class, or what belongs to an event that answers an action.
_EVENT_HEADER = re.compile(r"Privilege: [a-z]+(,[a-z]+)*|ActionID: .+|EventList: .+")


def is_message(message: Message) -> bool:
    """Return True if these fields are a message of AMI."""
    kinds = {"Event", "Response", "Action"}
    usual = {"Privilege", "ActionID", "Message", "Uniqueid", "Username"}
    return not (kinds.isdisjoint(message) or usual.isdisjoint(message))


class AmiParser:
    """Splits a stream, received in chunks of any size, into messages.

    A message ends where another begins as Asterisk begins one, not at each empty line: a caller's
    number may contain empty lines and what looks like a message.
    """

    def __init__(self) -> None:
        self._lines = LineBuffer(learns_line_end=True)
        self._is_after_empty_line = True
        self._block: Block | None = None
        #: Began while `_block` was incomplete: one of the two is not Asterisk's.
        self._inner: Block | None = None
        #: `Event: ...`; the next line decides if it begins a message.
        self._event_line = ""
        #: Fields that this Asterisk may lack, until it sends them.
        self._recent = set(RECENT)
        self._has_begun = False
        self._broken = 0
        #: Number of messages that Asterisk would not write, and of messages that contain such.
        self.forged = 0

    @property
    def broken(self) -> int:
        """Number of lines and messages that could not be read."""
        return self._broken + self._lines.too_long

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are now complete."""
        self._lines.add(data)
        while (line := self._lines.take_line()) is not None:
            yield from self._read(line)
        if not len(self._lines):
            yield from self._take_ended()

    def close(self) -> Iterator[Message]:
        """Yield the last message of a stream that ended without an empty line."""
        rest = self._lines.take_rest()
        if rest is not None:
            yield from self._read(rest)
        self._event_line = ""
        if self._block is not None:
            self._block.end()
            self._broken += not self._block.has_ended
        yield from self._take_ended()
        self._block = self._inner = None

    def _read(self, line: str) -> Iterator[Message]:
        if self._event_line:
            event_line, self._event_line = self._event_line, ""
            if _EVENT_HEADER.fullmatch(line):
                yield from self._begin(event_line, line)
                return
            self._is_after_empty_line = True
            self._add(event_line)
            self._is_after_empty_line = False
        if not line:
            self._end()
        elif self._is_after_empty_line and line.startswith("Event: "):
            self._event_line = line
        elif self._is_after_empty_line and line.startswith(("Response: ", "Action: ")):
            yield from self._begin(line)
        else:
            self._add(line)
        # Before a message there may be other text, such as the banner.
        is_other_text = self._block is None and not split_line(line)[0]
        self._is_after_empty_line = not line or is_other_text

    def _begin(self, *lines: str) -> Iterator[Message]:
        """Begin a message with these lines, if the one before it is complete."""
        if self._block is not None and not self._block.is_complete:
            self._inner = None
            for line in lines:
                self._add(line)
            if len(lines) > 1:
                self._inner = self._make_block(*lines)
            return
        yield from self._take_ended()
        self._block = self._make_block(*lines)
        self._has_begun = True

    def _make_block(self, first: str, *more: str) -> Block:
        block = Block(first, self._recent)
        for line in more:
            block.add(line)
        return block

    def _add(self, line: str) -> None:
        """Add a line to the message that is being read."""
        if self._block is None:
            if self._is_after_empty_line and not line.startswith(BANNER):
                is_forged = self._has_begun and bool(split_line(line)[0])
                self.forged += is_forged
                self._broken += not is_forged
            return
        is_line = self._block.add(line)
        self._broken += not (is_line or self._block.is_disturbed)
        if self._inner is not None:
            self._inner.add(line)

    def _end(self) -> None:
        """Process an empty line: the end of a message, or a part of one."""
        if self._block is None:
            return
        self._block.end()
        if self._inner is not None:
            self._inner.end()
            if self._block.is_complete:
                self._inner = None
            elif self._inner.is_beyond_doubt or self._block.is_hopeless:
                self._drop()
        elif self._block.is_hopeless:
            self._drop()

    def _drop(self) -> None:
        """Give up the message that is being read, in favor of the one that began within it."""
        self.forged += 1
        self._block, self._inner = self._inner, None

    def _take_ended(self) -> Iterator[Message]:
        """Yield the message that is being read, if it has ended."""
        block = self._block
        if block is None or not block.has_ended or self._event_line:
            return
        self._block = self._inner = None
        self.forged += block.is_disturbed
        self._recent -= block.fields.keys()
        yield block.fields


def write_message(message: Message) -> bytes:
    """Return the message encoded as on the wire."""
    return "".join(f"{key}: {value}\r\n" for key, value in message.items()).encode() + b"\r\n"
