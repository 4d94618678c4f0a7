"""Reads the head of a response, and refuses a length that two readers can read differently."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from callevents.delivery.http.error_messages import INVALID_RESPONSE, TransferError

Headers = list[tuple[str, str]]

_STATUS_LINE = re.compile(rb"HTTP/[0-9.]+ ([1-9][0-9]{2})(?: .*)?\r?\n", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,18}")
_FRAMING = {"content-length", "transfer-encoding"}


@dataclass(frozen=True)
class ResponseHead:
    """Status and headers of a response."""

    status_code: int
    headers: Headers

    @property
    def location(self) -> str:
        """The Location header, empty without one."""
        return next((value for name, value in self.headers if name.lower() == "location"), "")


def parse_head(lines: Sequence[bytes]) -> ResponseHead:
    """Return the head of these lines, the last of which is empty; raises TransferError.

    libcurl has checked the lines, joined folded ones, and read the lengths that it accepts.
    """
    found = _STATUS_LINE.fullmatch(lines[0])
    headers = []
    for line in lines[1:-1]:
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip(" \t\r\n")))
    if found is None or not _is_plain([h for h in headers if h[0].strip().lower() in _FRAMING]):
        raise TransferError(INVALID_RESPONSE)
    return ResponseHead(int(found[1]), headers)


def _is_plain(framing: Headers) -> bool:
    """Return True if at most one header states the body's length, in plain digits."""
    if len(framing) != 1:
        return not framing
    name, value = framing[0]
    return name.lower() == "transfer-encoding" or (
        name.lower() == "content-length" and _LENGTH.fullmatch(value) is not None
    )
