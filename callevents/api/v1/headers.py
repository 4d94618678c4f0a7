"""Header fields of requests and answers of the management API."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from flask import Request, Response, g
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags

from callevents.api.outer_origin import outer_origin
from callevents.api.v1.operations import REMOVAL_HEADER, Operation
from callevents.api.v1.reading import invalid
from callevents.delivery.removal import Removed

#: What conditions consist of (RFC 9110, 13.1): any version, or a list of entity tags.
CONDITION = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'


def add_headers(response: Response) -> Response:
    """Add the fields of the rate limit and of a route that will go, to errors too."""
    if usage := g.get("api_usage"):
        response.headers.update(usage.headers())
    if operation := g.get("api_operation"):
        response.headers.update(_dates_of(operation))
    if response.status_code == 204:
        del response.headers["Content-Type"]
    return response


def removal_answer(removed: Removed) -> Response:
    """Return the answer to a removal, with its ID."""
    headers = {REMOVAL_HEADER: removed.id} if removed.id else {}
    return Response(status=204, content_type="", headers=headers)


def read_condition(request: Request, name: str) -> ETags:
    """Return the entity tags of If-Match or If-None-Match, empty without it; raises ApiError.

    A condition that cannot be read must not be ignored: the change would overwrite something.
    """
    text = request.headers.get(name)
    if text is not None and re.match(CONDITION, text.strip()) is None:
        raise invalid(f'{name} must be * or a list of entity tags, such as "33a64df5".')
    return parse_etags(text)


def link_to_next(request: Request, cursor: str) -> str:
    """Return the field `Link` to the next page, at the address that the client used."""
    pairs = [(name, text) for name, text in request.args.items() if name != "cursor"]
    query = urlencode([*pairs, ("cursor", cursor)])
    return f'<{outer_origin()}{request.path}?{query}>; rel="next"'


def _dates_of(operation: Operation) -> dict[str, str]:
    """Return the fields of a route that will go (RFC 9745 and RFC 8594)."""
    found: dict[str, str] = {}
    if operation.deprecated_at is not None:
        found["Deprecation"] = f"@{int(operation.deprecated_at.timestamp())}"
    if operation.sunset_at is not None:
        found["Sunset"] = _http_date(operation.sunset_at)
    return found


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)
