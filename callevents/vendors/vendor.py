"""The types that describe a vendor: its report format, its event stream and its setup guides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from callevents.enums import ConnectorKind, Format
from callevents.vendors.message import Read
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.line_reader import Parser
from callevents.vendors.tracking.session import Session
from callevents.vendors.tracking.tracker import Tracker


@dataclass(frozen=True)
class Snippet:
    """A text to copy into the configuration of a PBX."""

    title: str
    #: A file in templates/connect/snippets.
    template: str
    hint: str = ""
    #: Set if the snippet prepares the PBX for a connector, which needs no token. It is tested.
    connector: ConnectorKind | None = None


@dataclass(frozen=True)
class SetupGuide:
    """How to set up one type of PBX or phone, as the 'Connect' page shows it."""

    slug: str
    label: str
    snippets: tuple[Snippet, ...]
    #: False if the snippets of reports follow the vendor's documentation and were not tested.
    is_tested: bool = False
    #: The part of the URL with the variables that a phone fills in.
    variables: str = ""
    #: True if the device puts http:// before the URL.
    adds_http_scheme: bool = False
    #: Shown above the snippets.
    note: str = ""


@dataclass(frozen=True)
class Signature:
    """How a vendor signs its messages."""

    header: str
    #: Returns True if the signature is valid; takes the body, the signature and the secret.
    verify: Callable[[bytes, str, str], bool]


@dataclass(frozen=True)
class Reply:
    """A response body for a vendor whose system cannot use JSON."""

    content_type: str
    #: Returns the body; takes the PBX's ingest URL and the token of the request.
    write: Callable[[str, str], str]


@dataclass(frozen=True, kw_only=True)
class Source:
    """An event stream that a connector can follow."""

    kind: ConnectorKind
    label: str
    make_parser: Callable[[], Parser]
    make_tracker: Callable[..., Tracker[Any]]
    is_message: Callable[[Message], bool]
    make_session: Callable[..., Session]
    #: The field of a message that has its time, and its units per second.
    clock: tuple[str, int]
    write_message: Callable[[Message], bytes]

    def is_capture(self, beginning: bytes) -> bool:
        """Return True if a file that begins with these bytes is a capture of this stream."""
        return any(self.is_message(message) for message in self.make_parser().feed(beginning))


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor: the format in which its PBXs or phones report, and what depends on it."""

    format: Format
    guides: tuple[SetupGuide, ...]
    #: None for the native format, which ingest/report.py reads.
    read: Read | None = None
    signature: Signature | None = None
    #: None for the JSON response.
    reply: Reply | None = None
    source: Source | None = None
