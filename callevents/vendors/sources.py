"""Event streams that connectors can follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from callevents.vendors import asterisk, freeswitch
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import Parser
from callevents.vendors.tracking.session import Session
from callevents.vendors.tracking.tracker import Tracker


@dataclass(frozen=True)
class Source:
    """A kind of PBX that we follow by its own stream of messages."""

    label: str
    make_parser: Callable[[], Parser]
    make_tracker: Callable[..., Tracker[Any]]
    is_message: Callable[[Message], bool]
    make_session: Callable[..., Session]
    #: The part of a message that has its time, and in which part of a second.
    clock: tuple[str, int]
    write_message: Callable[[Message], bytes]

    def is_capture(self, beginning: bytes) -> bool:
        """Tell whether a file that begins so is a capture of this kind."""
        return any(self.is_message(message) for message in self.make_parser().feed(beginning))


SOURCES = {
    "asterisk": Source(
        "Asterisk's AMI",
        asterisk.AmiParser,
        asterisk.AsteriskTracker,
        asterisk.is_message,
        asterisk.AmiSession,
        asterisk.CLOCK,
        asterisk.write_message,
    ),
    "freeswitch": Source(
        "FreeSWITCH's event socket",
        freeswitch.EventSocketParser,
        freeswitch.FreeswitchTracker,
        freeswitch.is_message,
        freeswitch.EventSocketSession,
        freeswitch.CLOCK,
        freeswitch.write_message,
    ),
}
