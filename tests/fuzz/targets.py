"""Fuzz targets: trackers, sessions that parse byte streams, and vendor formats."""

import json
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from random import Random
from typing import cast
from urllib.parse import quote, urlencode

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from callevents.api.payload import FORM, JSON, read_payload
from callevents.api.problems import ProblemError
from callevents.api.vendor_formats import read_message as read_request
from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.ingest.report import Report, read_report
from callevents.vendors.freeswitch.esl import BODY
from callevents.vendors.message import FindEarlier
from callevents.vendors.message import Message as VendorMessage
from callevents.vendors.registry import SOURCES
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.session import Session, SessionError
from tests.fuzz.checks import (
    check_error_message,
    check_events,
    check_report,
    check_tracker,
    read_message,
)
from tests.fuzz.examples import TEXTS
from tests.fuzz.mutation import Values, mutate_bytes, mutate_document
from tests.fuzz.streams import Stream
from tests.support.recorded_streams import EXTENSIONS

#: Lower than in production, so that it is reached.
MAX_LEGS = 500
CUT = 0.0005
CHUNK = 4096
#: Bytes that the PBX sends until the login is complete; %b is the end of the session's action IDs.
WELCOME = {
    "asterisk": b"Asterisk Call Manager/9.0.0\r\n"
    b"Response: Success\r\nActionID: callevents-challenge%b\r\nChallenge: 1\r\n\r\n"
    b"Response: Success\r\nActionID: callevents-login%b\r\n\r\n",
    "freeswitch": b"Content-Type: auth/request\n\n"
    b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
    b"Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n",
}


@dataclass
class Tally:
    """Counters of what became of the messages."""

    messages: int = 0
    events: int = 0
    #: Rejected with the expected error.
    rejected: int = 0
    #: Malformed, or without any of the five call events.
    skipped: int = 0


class Target(ABC):
    """A reader of messages; it keeps its state from one `run` to the next."""

    def __init__(self) -> None:
        self.tally = Tally()

    @abstractmethod
    def run(self, messages: int) -> None:
        """Feed this number of messages; fail on an unexpected result."""


class Tracked(Target):
    """A tracker that follows one PBX for days."""

    def __init__(self, source: str, seed: int) -> None:
        super().__init__()
        self._source = SOURCES[source]
        self._random = Random(seed)
        self._stream = Stream(source, self._random)
        self._messages = iter(self._stream)
        self._fed = 0
        self.tracker = self._source.make_tracker(EXTENSIONS, MAX_LEGS)

    def run(self, messages: int) -> None:
        """Feed the tracker."""
        for message in islice(self._messages, messages):
            self._send(message)
            if self._random.random() < CUT:
                self._reconnect()
        check_tracker(self.tracker, MAX_LEGS)
        self._count()

    def _send(self, message: Message) -> None:
        self._feed(message)

    def _feed(self, message: Message) -> None:
        self._fed += 1
        check_events(self.tracker.feed(message), EXTENSIONS)

    def _reconnect(self) -> None:
        """Break the connection, and list the running calls on the next one."""
        self.tracker.handle_disconnect()
        check_tracker(self.tracker, MAX_LEGS)
        check_events(self.tracker.adopt(self._stream.rows()), EXTENSIONS)

    def _count(self) -> None:
        counts = self.tracker.counts
        # The tracker counts each message, even one that it ignores.
        assert counts.messages == self._fed
        self.tally.messages, self.tally.events = counts.messages, counts.events
        self.tally.skipped = counts.ignored + counts.broken


class Wire(Tracked):
    """A session that receives malformed bytes, and its tracker."""

    def __init__(self, source: str, seed: int) -> None:
        super().__init__(source, seed)
        self._coming = bytearray()
        self._broken_before = self._sent = 0
        self._suffix = ""
        self._session = self._connect()

    def _send(self, message: Message) -> None:
        self._sent += 1
        if message.get("Event", "").startswith("CoreShowChannel"):
            kind = {"Event": message["Event"], "ActionID": f"callevents-list{self._suffix}"}
            message = kind | message
            message.pop("Privilege", "")
        data = write(self._stream.source, message)
        if self._random.random() < 0.05:
            data = mutate_bytes(data, self._random)
        self._coming += data
        if len(self._coming) > self._random.randrange(2 * CHUNK):
            data, self._coming = bytes(self._coming), bytearray()
            self._receive(self._session, data)

    def _receive(self, session: Session, data: bytes) -> None:
        try:
            for message in session.receive(data):
                self._feed(message)
        except SessionError as error:
            check_error_message(str(error))
            self.tally.rejected += 1
            self._reconnect()
        assert len(session.take_outgoing()) < 100_000

    def _reconnect(self) -> None:
        self._coming.clear()
        self._broken_before += self._session.broken
        super()._reconnect()
        self._session = self._connect()

    def _connect(self) -> Session:
        session = self._source.make_session(username="u", secret="s")
        for line in WELCOME[self._stream.source].splitlines(keepends=True):
            if found := re.search(rb"ActionID: callevents-\w+(-\w+)", session.take_outgoing()):
                self._suffix = found[1].decode()
            for message in session.receive(line.replace(b"%b", self._suffix.encode())):
                self._feed(message)
        assert session.is_ready
        return session

    def _count(self) -> None:
        super()._count()
        self.tally.messages = self._sent
        self.tally.skipped += self._broken_before + self._session.broken


def write(source: str, message: Message) -> bytes:
    """Encode the message as on the wire, including control characters."""
    if source == "asterisk":
        lines = "".join(f"{key}: {value}\r\n" for key, value in message.items())
        return f"{lines}\r\n".encode(errors="surrogatepass")
    if BODY in message:
        body, kind = message[BODY].encode(), "api/response"
    else:
        lines = "".join(
            f"{key}: {quote(value, errors='surrogatepass')}\n" for key, value in message.items()
        )
        body, kind = f"{lines}\n".encode(errors="surrogatepass"), "text/event-plain"
    return f"Content-Length: {len(body)}\nContent-Type: {kind}\n\n".encode() + body


class Read(Target):
    """A vendor format; fed with objects, and with requests with malformed bytes."""

    def __init__(self, format_: Format, seed: int) -> None:
        super().__init__()
        self._format = format_
        self._random = Random(seed)
        self._texts = TEXTS[format_]
        self._others: list[Values] = [json.loads(text) for text in self._texts]
        #: Recent reports of earlier messages.
        self._reports: deque[Report] = deque(maxlen=20)

    def run(self, messages: int) -> None:
        """Feed the format's reader."""
        for _ in range(messages):
            self.tally.messages += 1
            try:
                self._feed(self._make())
            except (InvalidError, ProblemError, HTTPException):
                self.tally.rejected += 1

    def _make(self) -> Values:
        document: Values = json.loads(self._random.choice(self._texts))
        if self._random.random() < 0.95:
            mutate_document(document, self._random.choice(self._others), self._random)
        if "msg" in document and self._random.random() < 0.5:
            self._mutate_inner(document)
        return document

    def _mutate_inner(self, document: Values) -> None:
        """Mutate the JSON text that Yeastar nests in its JSON."""
        try:
            inner = json.loads(document["msg"])
            mutate_document(inner, inner, self._random)
            document["msg"] = json.dumps(inner)
        except (TypeError, ValueError, AttributeError):
            pass

    def _feed(self, document: Values) -> None:
        if self._random.random() < 0.75:
            self._read(document)
            return
        request = make_request(document, self._random)
        if self._format is not Format.GENERIC:
            self._read(read_request(request).values)
            return
        for event in read_payload(request).events:
            if isinstance(event, dict):
                self._read(event)
            else:
                self.tally.skipped += 1

    def _read(self, values: Mapping[str, object]) -> None:
        if self._format is Format.GENERIC:
            report, _ = read_report(values)
            check_report(report)
            self._note([report])
            return
        message = VendorMessage.of(values)
        # Earlier events have attributes that could be set; those of reports are read-only.
        find_earlier = cast(FindEarlier, self._earlier)
        reports, ignored = read_message(self._format, message, find_earlier)
        self.tally.skipped += bool(ignored)
        self._note(reports)

    def _note(self, reports: Iterable[Report]) -> None:
        for report in reports:
            self.tally.events += 1
            self._reports.append(report)

    def _earlier(self, call_id: str) -> list[Report]:
        """Return the reports of the call; sometimes those of other calls too."""
        is_any = self._random.random() < 0.3
        return [report for report in self._reports if is_any or report.call_id == call_id]


def make_request(document: Values, random: Random) -> Request:
    """Return a request with the document as query, form or JSON, sometimes malformed."""
    kind = random.randrange(4)
    if kind < 2:
        # Lone surrogates become bytes that are not UTF-8.
        body = urlencode(document, doseq=kind == 0, errors="surrogatepass").encode()
    else:
        body = json.dumps(document, ensure_ascii=random.random() < 0.5).encode(
            errors="surrogatepass"
        )
    if random.random() < 0.1:
        body = random.choice((b"[%b,%b]", b"%b\n%b", b"[%b%b]")) % (body, body)
    if random.random() < 0.5:
        body = mutate_bytes(body, random)
    types = (FORM, JSON, "application/x-ndjson", "multipart/form-data; boundary=x", "", "text/x")
    type_ = random.choice(types) if random.random() < 0.2 else (FORM if kind < 2 else JSON)
    is_get = kind == 0 and random.random() < 0.5
    return Request(
        {
            "REQUEST_METHOD": "GET" if is_get else "POST",
            "PATH_INFO": "/ingest/pbx",
            "QUERY_STRING": body.decode("latin-1") if is_get else "",
            "CONTENT_TYPE": type_,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "http",
        }
    )


Make = Callable[[int], Target]
TARGETS: dict[str, Make] = {
    **{f"tracker {name}": partial(Tracked, name) for name in SOURCES},
    **{f"wire {name}": partial(Wire, name) for name in SOURCES},
    **{f"format {one.value}": partial(Read, one) for one in TEXTS},
}
