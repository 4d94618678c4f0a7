"""Header fields of requests and answers, and which operations have them."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from callevents.api.v1.headers import CONDITION
from callevents.api.v1.idempotency import HEADER, REPLAYED
from callevents.api.v1.models import Page
from callevents.api.v1.operations import REMOVAL_HEADER, Operation
from callevents.db.models import MAX_IDEMPOTENCY_KEY_LENGTH

IF_MATCH_METHODS = frozenset({"PATCH", "PUT", "DELETE"})
_TAG = '"5d41402abc4b2a76b9719d911017c592"'


def _text(description: str, example: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}, "example": example}


#: Header fields of answers.
HEADERS: dict[str, Any] = {
    "X-Request-ID": _text(
        "The ID of the request in our log: the one that you sent in this field, or a new one.",
        "0f6d1c5b8a114d0fb7c3e8f0e0f6d1c5",
    ),
    "RateLimit-Policy": _text(
        "The limit: `q` requests of one token in `w` seconds.", '"default";q=600;w=60'
    ),
    "RateLimit": _text(
        "What is left: `r` requests in the next `t` seconds.", '"default";r=599;t=42'
    ),
    "ETag": _text("The version of the object. Send it back as `If-Match` to change it.", _TAG),
    "Location": _text(
        "The address of what was created.", "/api/v1/pbxs/head-office", format="uri-reference"
    ),
    "Link": _text(
        'The next page, with `rel="next"`; missing on the last one.',
        '<https://calls.example.com/api/v1/hooks?limit=50&cursor=Zm9v>; rel="next"',
    ),
    REMOVAL_HEADER: _text(
        "The ID of the removal, with which it can be undone for half a minute.",
        "01932c07-209f-7c3e-8f0e-0f6d1c5b8a30",
        format="uuid",
    ),
    REPLAYED: _text(
        "`true`: this is the answer to an earlier request with this Idempotency-Key.", "true"
    ),
    "Retry-After": {
        "description": "How many seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 42,
    },
    "WWW-Authenticate": _text(
        "Which token, or which scope, is missing (RFC 6750).",
        'Bearer realm="callevents", error="insufficient_scope", scope="hooks:write"',
    ),
    "Deprecation": _text(
        "Since when the route is deprecated, in seconds since 1970 (RFC 9745).", "@1798761600"
    ),
    "Sunset": _text("When the route will go (RFC 8594).", "Fri, 31 Dec 2027 23:59:59 GMT"),
}


def _field(name: str, description: str, **schema: Any) -> dict[str, Any]:
    """Return a field without an example, which programs would send as it is."""
    facts = {"description": description, "schema": {"type": "string", **schema}}
    return {"name": name, "in": "header", "required": False, **facts}


#: Header fields of requests, by the names of their components.
PARAMETERS: dict[str, Any] = {
    "IdempotencyKey": _field(
        HEADER,
        "A text of your own, new for each thing to do. A request that is repeated with it within "
        "24 hours gets the same answer and has no second effect.",
        minLength=1,
        maxLength=MAX_IDEMPOTENCY_KEY_LENGTH,
        pattern="^[ -~]*[!-~][ -~]*$",
    ),
    "IfMatch": _field(
        "If-Match",
        "The `ETag` of the version that you read. If the object has changed since, nothing is "
        "changed and the answer is 412.",
        pattern=CONDITION,
    ),
    "IfNoneMatch": _field(
        "If-None-Match",
        "The `ETag` of the version that you have. If it is still the current one, the answer is "
        "304 without a body.",
        pattern=CONDITION,
    ),
    "OnlyNew": _field(
        "If-None-Match",
        "`*`: only create it. If there is one already, nothing is changed and the answer is 412.",
        pattern=CONDITION,
    ),
}


def request_fields(one: Operation) -> list[dict[str, str]]:
    """Return references to the header fields that the operation heeds."""
    names = []
    if one.method == "POST":
        names.append("IdempotencyKey")
    if one.method in IF_MATCH_METHODS:
        names.append("IfMatch")
    if one.may_create:
        names.append("OnlyNew")
    if one.method == "GET" and one.has_etag:
        names.append("IfNoneMatch")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def success_fields(one: Operation) -> Iterator[str]:
    """Yield the names of the header fields of a successful answer."""
    if one.has_etag and one.status != HTTPStatus.NO_CONTENT:
        yield "ETag"
    if one.status == HTTPStatus.CREATED:
        yield "Location"
    if is_list(one):
        yield "Link"
    yield from one.more_headers
    if one.method == "POST":
        yield REPLAYED
    yield from general_fields(one)


def fields_of_error(names: list[str], one: Operation, *, is_counted: bool) -> dict[str, Any]:
    """Return the member `headers` of an error; `is_counted`: it is one to a valid token."""
    general = general_fields(one) if is_counted else iter(("X-Request-ID",))
    return refer_to(dict.fromkeys([*names, *general]))


def general_fields(one: Operation) -> Iterator[str]:
    """Yield the names of the header fields of every answer to a valid token."""
    if one.deprecated_at is not None:
        yield "Deprecation"
    if one.sunset_at is not None:
        yield "Sunset"
    yield from ("RateLimit-Policy", "RateLimit", "X-Request-ID")


def refer_to(names: Iterable[str]) -> dict[str, Any]:
    """Return the member `headers` of a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def is_list(one: Operation) -> bool:
    """Return True if the operation answers with pages."""
    return one.answer is not None and issubclass(one.answer, Page)
