"""Requests as bytes, each with an ID that its answer repeats."""

import itertools
import json
from urllib.parse import urlencode

from tests.hostile.product import Product

PATH = "/ingest/target"
FORM = "application/x-www-form-urlencoded"
_numbers = itertools.count(1)


def new_id(kind: str) -> str:
    """Return an ID that no other request of this process has."""
    return f"{kind}-{next(_numbers)}"


def get(request_id: str, target: str = "/healthz", *lines: str, close: bool = False) -> bytes:
    """Return a GET with these further header lines."""
    return _head("GET", target, request_id, lines, close=close)


def post(
    request_id: str, target: str, body: bytes, *lines: str, close: bool = False, sized: bool = True
) -> bytes:
    """Return a POST with these further header lines, and a length unless they have one."""
    length = (f"Content-Length: {len(body)}",) if sized else ()
    return _head("POST", target, request_id, (*lines, *length), close=close) + body


def _head(
    method: str, target: str, request_id: str, lines: tuple[str, ...], *, close: bool
) -> bytes:
    all_lines = [f"{method} {target} HTTP/1.1", "Host: x", f"X-Request-ID: {request_id}", *lines]
    if close:
        all_lines.append("Connection: close")
    return "\r\n".join([*all_lines, "", ""]).encode("latin-1")


def report_body(key: str, **fields: str) -> bytes:
    """Return the form of a report."""
    return urlencode({"event": "dial-in", "ext": "7", "id": key, **fields}).encode()


def report(product: Product, request_id: str, *lines: str, close: bool = False) -> bytes:
    """Return a report that is accepted."""
    kind, token = f"Content-Type: {FORM}", f"X-Ingest-Token: {product.token}"
    return post(request_id, PATH, report_body(request_id), kind, token, *lines, close=close)


def report_json(product: Product, key: str) -> bytes:
    """Return a report in JSON that is accepted."""
    body = json.dumps({"event": "dial-in", "ext": "7", "id": key}).encode()
    token = f"X-Ingest-Token: {product.token}"
    return post(key, PATH, body, "Content-Type: application/json", token)
