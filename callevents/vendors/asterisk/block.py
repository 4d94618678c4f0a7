"""One message of an AMI stream, told from texts in it that only look like one.

Asterisk writes some texts as they are, for example a caller's number, which may contain line
breaks. Decision record 0081 has what follows from that.
"""

from collections.abc import Sequence, Set

from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import MAX_KEYS

#: How Asterisk describes a channel: always all of these fields, in this order.
SNAPSHOT = (
    *("Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName"),
    *("ConnectedLineNum", "ConnectedLineName", "Language", "AccountCode", "Context", "Exten"),
    *("Priority", "Uniqueid", "Linkedid"),
)
#: Fields that Asterisk neither escapes nor limits to one line.
UNESCAPED = ("CallerIDNum", "ConnectedLineNum", "AccountCode", "Exten")
#: Fields that Asterisk never leaves empty, and those that are always numbers.
FILLED = ("Channel", "ChannelStateDesc", "Context", "Uniqueid", "Linkedid")
NUMERIC = ("Priority", "Cause")
#: Fields that Asterisk writes since 13.2 and 13.5.
RECENT = {"Language", "Linkedid"}
#: The last fields of the events that trackers use.
LAST_FIELDS = {
    **dict.fromkeys(("Newchannel", "Newstate", "NewConnectedLine", "NewCallerid"), ("Uniqueid",)),
    "Hangup": ("Uniqueid", "Cause", "Cause-txt"),
    "DialBegin": ("DestUniqueid", "DialString"),
    **dict.fromkeys(("DialState", "DialEnd"), ("DestUniqueid", "DialStatus")),
    "Pickup": ("Uniqueid", "TargetUniqueid"),
    "QueueCallerJoin": ("Uniqueid", "Queue"),
    "QueueCallerLeave": ("Uniqueid", "Queue"),
    "QueueCallerAbandon": ("Uniqueid", "Queue"),
    "CoreShowChannel": ("Uniqueid", "BridgeId"),
}
#: The classes of those that are no answers to actions.
CLASSES = {
    **dict.fromkeys(LAST_FIELDS.keys() - {"CoreShowChannel"}, "call,all"),
    **dict.fromkeys((name for name in LAST_FIELDS if name.startswith("Queue")), "agent,all"),
}
#: For the same events: the prefixes of their channels' fields.
PREFIXES = {
    **dict.fromkeys(LAST_FIELDS, ("",)),
    **dict.fromkeys(("DialBegin", "DialState", "DialEnd"), ("", "Dest")),
    "Pickup": ("", "Target"),
}
#: In lines between two fields of a channel. Longer than a number that any channel driver accepts.
MAX_FOREIGN_CHARACTERS = 4000


def split_line(line: str) -> tuple[str, str]:
    """Return key and value of a line `Key: value`; two empty texts for any other line."""
    key, colon, value = line.partition(":")
    if not (colon and key) or " " in key or not (value == "" or value[0] == " "):
        return "", ""
    # Lines end with a carriage return too, so a value may contain a line feed.
    return key, value.partition("\n")[0].strip()


def _is_plausible(key: str, value: str) -> bool:
    """Return False for a value that Asterisk would not write."""
    if key.endswith(NUMERIC):
        return value.removeprefix("-").isdigit()
    return bool(value) or not key.endswith(FILLED)


class Block:
    """A message whose lines are still being read.

    A description of a channel that has begun is always completed. What is not its next field, even
    an empty line or a whole message, belongs to the unescaped text before it.
    """

    def __init__(self, first: str, recent: Set[str] = frozenset()) -> None:
        """Begin with the first line; the stream may lack the fields `recent`."""
        self._last, value = split_line(first)
        self.fields: Message = {self._last: value}
        #: True if the message contains lines that Asterisk would not write.
        self.is_disturbed = False
        #: True after the empty line that ends the message.
        self.has_ended = False
        self._kind = value if self._last == "Event" else ""
        self._last_fields: Sequence[str] = LAST_FIELDS.get(self._kind, ())
        self._prefixes = PREFIXES.get(self._kind)
        self._recent = recent
        #: The next fields of the channel that is being described, in reverse order.
        self._next: list[str] = []
        #: The same after the newest unescaped text, and the number of fields up to there.
        self._after_text: list[str] = []
        self._size_at_text = 0
        self._foreign_characters = 0

    @property
    def is_complete(self) -> bool:
        """True if an empty line may end the message here."""
        return not self._next and all(name in self.fields for name in self._last_fields)

    @property
    def is_beyond_doubt(self) -> bool:
        """True if the message describes a channel, which takes more than a number can contain."""
        is_whole = self.has_ended and not self.is_disturbed and bool(self._after_text)
        wanted = CLASSES.get(self._kind)
        is_of_class = wanted is None or self.fields.get("Privilege") == wanted
        is_plausible = all(_is_plausible(key, value) for key, value in self.fields.items())
        return is_whole and is_of_class and is_plausible

    @property
    def is_hopeless(self) -> bool:
        """True if the message cannot be completed."""
        return self._foreign_characters > MAX_FOREIGN_CHARACTERS

    def end(self) -> None:
        """Process an empty line: the end of the message, or part of an unescaped text."""
        self._skip_recent("")
        if self.is_complete:
            self.has_ended = True
        else:
            self._add_foreign("")

    def add(self, line: str) -> bool:
        """Process a line; return False if it cannot be a line of a message."""
        key, value = split_line(line)
        self.is_disturbed |= self.has_ended
        if self._recent:
            self._skip_recent(key)
        if self._next and key == self._next[-1]:
            self._take(key, value)
        elif self._after_text and key == self._after_text[-1]:
            # What looked like these fields was part of the text.
            self._go_back()
            self._take(key, value)
        elif self._next:
            self._add_foreign(line)
        elif key:
            self._add_other(key, value)
        return bool(key)

    def _take(self, key: str, value: str) -> None:
        """Take the next field of the channel that is being described."""
        self.fields[key] = value
        self._last = self._next.pop()
        self._foreign_characters = 0
        if key.endswith(UNESCAPED):
            self._after_text, self._size_at_text = self._next.copy(), len(self.fields)

    def _go_back(self) -> None:
        """Forget the fields since the newest unescaped text."""
        self.is_disturbed, self.has_ended = True, False
        self._next = self._after_text.copy()
        while len(self.fields) > self._size_at_text:
            self.fields.popitem()

    def _add_foreign(self, line: str) -> None:
        """Count a line that Asterisk would not write here."""
        self.is_disturbed = True
        self._foreign_characters += len(line) + 2
        if not self._after_text:
            # No unescaped text came before it.
            self._foreign_characters += MAX_FOREIGN_CHARACTERS
        elif self._next:
            self._go_back()

    def _skip_recent(self, key: str) -> None:
        """Accept that an old Asterisk does not write the next field."""
        if not self._next or not self._next[-1].endswith(tuple(self._recent)):
            return
        is_last = len(self._next) == 1
        if key != self._next[-1] and (is_last or key == self._next[-2]):
            self._next.pop()

    def _add_other(self, key: str, value: str) -> None:
        """Add a field that is not part of a channel's description, or begin a description."""
        prefix = key.removesuffix("ChannelState")
        is_state = prefix != key
        if is_state and self._last == f"{prefix}Channel" and self._may_begin(prefix, value):
            self.fields[key] = value
            self._next = [prefix + name for name in SNAPSHOT[:1:-1]]
        elif key in self._last_fields and not key.endswith("Uniqueid"):
            self.fields[key] = value
        elif self._is_known_place(key) and len(self.fields) < MAX_KEYS:
            self.fields.setdefault(key, value)
        self._last = key

    def _may_begin(self, prefix: str, state: str) -> bool:
        is_expected = self._prefixes is None or prefix in self._prefixes
        return is_expected and state.isdigit() and f"{prefix}ChannelState" not in self.fields

    def _is_known_place(self, key: str) -> bool:
        """Return False for a field that counts only in another place of a message."""
        if key == "Timestamp":
            return self._last == "Privilege"
        if self._prefixes is not None and key.endswith(("Uniqueid", "Linkedid", "Language")):
            return False
        return not key.endswith(("ChannelState", "ConnectedLineNum"))
