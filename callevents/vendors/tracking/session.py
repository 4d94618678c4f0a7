"""A conversation with a PBX: what to say to what it says. No I/O, no clock."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from callevents.errors import CallEventsError
from callevents.vendors.tracking.extension_list import Gatherer
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import Parser

LONGEST_QUOTE = 80


class SessionError(CallEventsError):
    """The PBX cannot be listened to; the text says why and what to do."""

    #: Whether the secret was refused. Who tries that too often is locked out by many PBXs.
    is_refused = False


class RefusedError(SessionError):
    """The PBX refuses who we are."""

    is_refused = True


class Session(ABC):
    """Logs in, asks for events and for the running calls, and passes on what a tracker needs."""

    #: What the other side says first.
    greeting: bytes
    #: What the other side is, as in 'This is no ...'.
    label: str

    def __init__(
        self, parser: Parser, *, username: str, secret: str, is_encrypted: bool = False
    ) -> None:
        self.username = username
        self.secret = secret
        self.is_encrypted = is_encrypted
        #: Logged in, and told of every call from now on.
        self.is_ready = False
        #: What does not work although we listen, in a sentence.
        self.notice = ""
        #: What the PBX lists of its extensions when it is asked.
        self.extensions = Gatherer()
        self._parser = parser
        self._outgoing = bytearray()
        self._first: bytearray | None = bytearray()

    @property
    def broken(self) -> int:
        """How much of what came could not be read."""
        return self._parser.broken

    def take_outgoing(self) -> bytes:
        """Return what is to be sent now."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> Iterator[Message]:
        """Take what came; give the messages for the tracker.

        Raises SessionError if this is no such PBX, or it refuses us.
        """
        if self._first is not None:
            data = self._greet(self._first + data)
        for message in self._parser.feed(data):
            if self._answer(message):
                yield message

    @abstractmethod
    def ping(self) -> None:
        """Ask for a sign of life."""

    @abstractmethod
    def ask_extensions(self) -> None:
        """Ask what extensions there are, for `extensions` to gather."""

    @abstractmethod
    def explain_refusal(self, words: str) -> str:
        """Return a sentence for a PBX that lists no extensions but said these words."""

    @abstractmethod
    def _answer(self, message: Message) -> bool:
        """Say what has to be said to the message; tell whether the tracker is to see it."""

    @abstractmethod
    def _greeted(self) -> None:
        """Say what has to be said first."""

    def _say(self, text: str) -> None:
        self._outgoing += text.encode()

    def _greet(self, first: bytearray) -> bytes:
        """Return what came if it begins as it must, nothing if more has to come."""
        if not first.startswith(self.greeting) and not self.greeting.startswith(first):
            raise SessionError(
                f"This is no {self.label}: it began with {_quote(first)}. Check host and port."
            )
        if len(first) < len(self.greeting):
            self._first = first
            return b""
        self._first = None
        self._greeted()
        return bytes(first)


def quote(text: str) -> str:
    """Return what a PBX said for use in a sentence: short, and in printable characters."""
    printable = "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in text.strip())
    cut = printable if len(printable) <= LONGEST_QUOTE else printable[: LONGEST_QUOTE - 1] + "…"
    return f"'{cut}'"


def _quote(first: bytearray) -> str:
    line = bytes(first[: 2 * LONGEST_QUOTE]).partition(b"\n")[0]
    return quote(line.decode("ascii", "replace"))
