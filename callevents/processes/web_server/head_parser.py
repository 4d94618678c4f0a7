"""Parses the head of a request, with httptools (llhttp), and refuses what is ambiguous."""

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from callevents.processes.web_server.request import Headers, RequestHead, Target
from callevents.processes.web_server.response import RefusedError

MAX_REQUEST_LINE_BYTES = 8190
MAX_HEADERS = 200

UNREADABLE = "The request is not valid HTTP."
LONG_LINE = f"The request line is longer than {MAX_REQUEST_LINE_BYTES} bytes."
MANY_HEADERS = f"The request has more than {MAX_HEADERS} headers."
BAD_VERSION = "The HTTP version is not supported. Use HTTP/1.1."
BAD_HOST = "The request must have one Host header."
BAD_ENCODING = "The transfer encoding is not supported. Use chunked, or send a Content-Length."
CHUNKS_IN_1_0 = "A request of HTTP/1.0 cannot have a transfer encoding."
TUNNEL = "The method CONNECT is not supported."

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


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
        line = _BEYOND_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line)
    parts = _HeadParts()
    parser = parts.parser = HttpRequestParser(parts)
    try:
        parser.feed_data(line + b"\n" + rest)
    except HttpParserUpgrade:
        # A server may ignore the offer of another protocol (RFC 9110, section 7.8).
        pass
    except HttpParserError:
        raise RefusedError(400, UNREADABLE) from None
    finally:
        # Without the circle, both are deleted at once.
        parts.parser = None
    if not parts.is_complete:
        raise RefusedError(400, UNREADABLE)
    if len(parts.target) > MAX_REQUEST_LINE_BYTES:
        raise RefusedError(414, LONG_LINE)
    head = RequestHead(
        parser.get_method().decode(),
        _split_target(parts.target),
        version[-3:].decode(),
        parts.headers,
        parts.keep_alive,
    )
    _check_head(head)
    return head


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
