"""Writes down for people a request that was refused or passed over."""

import re

from werkzeug.wrappers import Request

from callevents.heard import MAX_SENT_LENGTH
from callevents.masks import MASK

_TOKEN = re.compile(r"(?i)(token=)[^&\s]+")


def describe_request(request: Request, token: str) -> str:
    """Return the beginning of the request, its token masked."""
    query = request.query_string.decode("utf-8", "replace")
    try:
        body = request.get_data()[: 2 * MAX_SENT_LENGTH].decode("utf-8", "replace")
    except Exception:  # noqa: BLE001  # every server has errors of its own for what it cannot read
        body = ""
    line = f"{request.method} {request.path}{'?' if query else ''}{query}"
    kind = f"\nContent-Type: {request.content_type[:200]}" if request.content_type else ""
    text = f"{line}{kind}\n\n{body}".rstrip()
    return _TOKEN.sub(rf"\1{MASK}", text.replace(token, MASK) if token else text)
