"""The protocol session with a PBX: what to send in reply to its messages. No I/O, no clock."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping

from callevents.errors import CallEventsError
from callevents.vendors.tracking.extension_list import ListCollector, Refusal
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import Parser

MAX_QUOTE_LENGTH = 80


class SessionError(CallEventsError):
    """The connection cannot be used; the text says why and what to do."""

    #: True if the login was rejected. Many PBXs ban an address after several failed logins.
    is_refused = False
    #: True if nothing listens on the port, for example while the PBX restarts.
    is_port_closed = False


class RefusedError(SessionError):
    """The PBX rejected the login or our address."""

    is_refused = True


class PortClosedError(SessionError):
    """Nothing listens on the PBX's port."""

    is_port_closed = True


class Session(ABC):
    """Logs in, subscribes to events and lists running calls; yields the messages for a tracker."""

    #: The first bytes that the PBX sends.
    greeting: bytes
    #: The name of the protocol, for error messages.
    label: str

    def __init__(
        self, parser: Parser, *, username: str, secret: str, is_encrypted: bool = False
    ) -> None:
        self.username = username
        self.secret = secret
        self.is_encrypted = is_encrypted
        #: Logged in and subscribed: events of all calls arrive from now on.
        self.is_ready = False
        #: A sentence about something that does not work although events arrive.
        self.notice = ""
        #: Collects the extensions that the PBX lists on request.
        self.extensions = ListCollector()
        self._parser = parser
        self._outgoing = bytearray()
        self._first: bytearray | None = bytearray()

    @property
    def broken(self) -> int:
        """Number of lines and messages that could not be read."""
        return self._parser.broken

    def take_outgoing(self) -> bytes:
        """Return the bytes to send, once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> Iterator[Message]:
        """Process the bytes received; yield the messages for the tracker.

        Raises SessionError if this is another protocol or the PBX rejects us.
        """
        if self._first is not None:
            data = self._check_greeting(self._first + data)
        for message in self._parser.feed(data):
            if self._handle(message):
                yield message

    @abstractmethod
    def ping(self) -> None:
        """Request a response, to check that the connection works."""

    @abstractmethod
    def request_extensions(self) -> None:
        """Request the list of extensions, which `extensions` collects."""

    @abstractmethod
    def explain_refusals(self, refusals: Mapping[str, Refusal]) -> str:
        """Return sentences that explain why the PBX lists no extensions: it refused all lists."""

    @abstractmethod
    def _handle(self, message: Message) -> bool:
        """Reply to the message if needed; return True if it is for the tracker."""

    @abstractmethod
    def _start_login(self) -> None:
        """Send the first request after the greeting."""

    def _send(self, text: str) -> None:
        self._outgoing += text.encode()

    def _check_greeting(self, first: bytearray) -> bytes:
        """Return the bytes received if the greeting is complete and correct, else nothing."""
        if not first.startswith(self.greeting) and not self.greeting.startswith(first):
            raise SessionError(
                f"This is no {self.label}: it began with {_quote(first)}. Check host and port."
            )
        if len(first) < len(self.greeting):
            self._first = first
            return b""
        self._first = None
        self._start_login()
        return bytes(first)


def quote(text: str) -> str:
    """Return a PBX's text for use in a sentence: quoted, shortened, and printable."""
    printable = "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in text.strip())
    if len(printable) > MAX_QUOTE_LENGTH:
        printable = printable[: MAX_QUOTE_LENGTH - 1] + "…"
    return f"'{printable}'"


def _quote(first: bytearray) -> str:
    line = bytes(first[: 2 * MAX_QUOTE_LENGTH]).partition(b"\n")[0]
    return quote(line.decode("ascii", "replace"))
