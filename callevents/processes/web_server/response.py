"""Responses, and how they are written."""

import json
import time
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from callevents.api.problems import MEDIA_TYPE, problem
from callevents.api.uapi import errors as uapi_errors
from callevents.processes.web_server.request import Environ, RequestHead

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BUSY = "The server is busy. Try again."
_OWN_HEADERS = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}


class Response(NamedTuple):
    """A response with its whole body."""

    status: int
    headers: Iterable[tuple[str, str]]
    body: bytes
    #: More headers, as they are sent.
    lines: str = ""


class RefusedError(Exception):
    """A request that the web server refuses, with status and a sentence; the connection ends."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def problem_response(status: int, detail: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return a problem document (RFC 9457)."""
    body = json.dumps(problem(status, detail)).encode() + b"\n"
    return Response(status, [("Content-Type", MEDIA_TYPE), *headers], body)


def failure_response(
    environ: Environ, status: int, detail: str, headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Return an error for a request that Flask does not answer, in the form of its path."""
    if not uapi_errors.is_uapi(environ.get("PATH_INFO", "")):
        return problem_response(status, detail, headers)
    body = uapi_errors.error_text(status, detail).encode()
    return Response(status, [("Content-Type", uapi_errors.MEDIA_TYPE), *headers], body)


def split_response(
    response: Response, head: RequestHead, size: int, *, keep_alive: bool
) -> Iterator[bytes]:
    """Yield the response to the request in pieces of about this size."""
    body = b"" if head.method == "HEAD" else response.body
    yield write_head(response, keep_alive=keep_alive, version=head.version) + body[:size]
    for start in range(size, len(body), size):
        yield body[start : start + size]


def write_head(response: Response, *, keep_alive: bool, version: str = "1.1") -> bytes:
    """Return status line and headers; the framing is written here, whatever the headers say."""
    lines = [_status_line(response.status), _date_line(int(time.time())), response.lines]
    lines += [
        f"{name}: {value}\r\n"
        for name, value in response.headers
        if name.lower() not in _OWN_HEADERS
    ]
    if response.status >= 200 and response.status not in {204, 304}:
        lines.append(f"Content-Length: {_length(response)}\r\n")
    if not keep_alive:
        lines.append("Connection: close\r\n")
    elif version == "1.0":
        lines.append("Connection: keep-alive\r\n")
    return "".join([*lines, "\r\n"]).encode("latin-1")


def _length(response: Response) -> str:
    """Return the body's length; of a response to HEAD, the length that it declares."""
    if response.body:
        return str(len(response.body))
    declared = (value for name, value in response.headers if name.lower() == "content-length")
    return next(declared, "0")


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    phrases = {known.value: known.phrase for known in HTTPStatus}
    return f"HTTP/1.1 {status} {phrases.get(status, '')}\r\n"


@lru_cache(maxsize=1)
def _date_line(seconds: int) -> str:
    return f"Date: {formatdate(seconds, usegmt=True)}\r\n"
