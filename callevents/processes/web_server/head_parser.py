"""Parses the head of a request, with httptools (llhttp), and refuses what is ambiguous."""

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from callevents.api.ingest import PATH
from callevents.processes.web_server.request import Headers, RequestHead, Target
from callevents.processes.web_server.response import RefusedError

MAX_REQUEST_LINE_BYTES = 8190
MAX_HEADERS = 200

UNREADABLE = "The request is not valid HTTP."
SPACES = "The address in the request line contains a space or a tab. Write a space as %20."
LONG_LINE = f"The request line is longer than {MAX_REQUEST_LINE_BYTES} bytes."
MANY_HEADERS = f"The request has more than {MAX_HEADERS} headers."
BAD_VERSION = "The HTTP version is not supported. Use HTTP/1.1."
BAD_HOST = "The request must have one Host header."
BAD_ENCODING = "The transfer encoding is not supported. Use chunked, or send a Content-Length."
CHUNKS_IN_1_0 = "A request of HTTP/1.0 cannot have a transfer encoding."
TUNNEL = "The method CONNECT is not supported."

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_BLANK = re.compile(rb"[ \t]")
#: The first line of a report with blanks in its query: phones do not encode names. The query is all
#: between the first question mark and the blanks before the version.
_SPACED_REPORT = re.compile(
    rb"(GET +%s[^\s/?]+\?)(\S.*\S)( +HTTP/1\.[01]\r?)" % re.escape(PATH.encode())
)


class _HeadParts:
    """What the parser calls."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: Headers = []
        self.is_complete = False
        self.keep_alive = False
        self.parser: HttpRequestParser | None = None

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.is_complete = True
        # The parser forgets it at the end of the message.
        self.keep_alive = bool(self.parser and self.parser.should_keep_alive())


def parse_head(data: bytes) -> RequestHead:
    """Return the head that is in the data, from the first byte to the last; raises RefusedError."""
    line, _, rest = data.partition(b"\n")
    version = line.rstrip(b"\r")[-9:]
    if version not in {b" HTTP/1.1", b" HTTP/1.0"}:
        is_other = re.fullmatch(rb" HTTP/\d\.\d", version)
        raise RefusedError(505, BAD_VERSION) if is_other else RefusedError(400, UNREADABLE)
    if not line.isascii():
        # Many PBXs do not percent-encode names in a URL, and the parser takes only ASCII there.
        # Nothing but the target can contain such bytes in a valid line.
        line = _escape(_BEYOND_ASCII, line)
    head = _parse(line, rest) or _parse_spaced_report(line, rest)
    if head is None:
        raise RefusedError(400, SPACES if _has_spaces(line) else UNREADABLE)
    _check_head(head)
    return head


def _parse_spaced_report(line: bytes, rest: bytes) -> RequestHead | None:
    """Return the head of a report whose query has blanks, None if it is something else."""
    found = _SPACED_REPORT.fullmatch(line)
    head = found and _parse(found[1] + _escape(_BLANK, found[2]) + found[3], rest)
    if head:
        # Whatever a proxy takes this line for, nothing after it is read as another request.
        head.keep_alive = False
    return head


def _has_spaces(line: bytes) -> bool:
    """Return True if the request line is wrong because its target has blanks."""
    return len(re.split(rb"[ \t]+", line)) > 3 and not _SPACED_REPORT.fullmatch(line)


def _escape(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    """Return the text with the bytes that the pattern finds percent-encoded."""
    return pattern.sub(lambda found: b"%%%02X" % found[0][0], text)


def _parse(line: bytes, rest: bytes) -> RequestHead | None:
    """Return the head with this first line, None if it is malformed; raises RefusedError."""
    parts = _HeadParts()
    parser = parts.parser = HttpRequestParser(parts)
    try:
        parser.feed_data(line + b"\n" + rest)
    except HttpParserUpgrade:
        # A server may ignore the offer of another protocol (RFC 9110, section 7.8).
        pass
    except HttpParserError:
        return None
    finally:
        # Without the circle, both are deleted at once.
        parts.parser = None
    if not parts.is_complete:
        return None
    if len(parts.target) > MAX_REQUEST_LINE_BYTES:
        raise RefusedError(414, LONG_LINE)
    return RequestHead(
        parser.get_method().decode(),
        _split_target(parts.target),
        line.rstrip(b"\r")[-3:].decode(),
        parts.headers,
        parts.keep_alive,
    )


def _split_target(target: bytes) -> Target:
    authority = b""
    if b"://" in target and not target.startswith(b"/"):
        try:
            url = parse_url(target)
        except HttpParserError:
            raise RefusedError(400, UNREADABLE) from None
        host = url.host or b""
        authority = b"[%s]" % host if b":" in host else host
        authority += b":%d" % url.port if url.port else b""
        target = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    # A raw '#' is kept: PBXs send it in numbers such as #31#.
    path, _, query = target.partition(b"?")
    return Target(path, query, authority)


def _check_head(head: RequestHead) -> None:
    """Raise RefusedError for what the parser lets pass."""
    if len(head.headers) > MAX_HEADERS:
        raise RefusedError(431, MANY_HEADERS)
    if head.method == "CONNECT":
        raise RefusedError(405, TUNNEL)
    hosts = sum(name == "host" for name, _ in head.headers)
    if hosts > 1 or (hosts == 0 and head.version == "1.1"):
        raise RefusedError(400, BAD_HOST)
    if head.is_chunked and head.version == "1.0":
        raise RefusedError(400, CHUNKS_IN_1_0)
    if head.values.get("transfer-encoding", "chunked").lower() != "chunked":
        raise RefusedError(501, BAD_ENCODING)
