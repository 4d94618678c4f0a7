"""Errors of the management API as problem documents (RFC 9457).

`type` is a stable address: docs/api.md and /api/docs explain each one there.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from callevents.api.problems import MEDIA_TYPE

TYPE_BASE = "/api/docs#"
REALM = 'Bearer realm="callevents"'


class ProblemType(StrEnum):
    """Kinds of errors. The value is the anchor in the documents."""

    INVALID_REQUEST = "invalid-request"
    INVALID_CURSOR = "invalid-cursor"
    UNAUTHORIZED = "unauthorized"
    INSUFFICIENT_SCOPE = "insufficient-scope"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    CONFLICT = "conflict"
    STILL_RUNNING = "still-running"
    PRECONDITION_FAILED = "precondition-failed"
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    KEY_REUSED = "idempotency-key-reused"
    TOO_MANY_REQUESTS = "too-many-requests"
    INTERNAL_ERROR = "internal-error"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _FACTS[self][0]

    @property
    def sentence(self) -> str:
        """A sentence that is the same for all errors of the kind."""
        return _FACTS[self][1]


_FACTS = {
    ProblemType.INVALID_REQUEST: (400, "The request is not valid."),
    ProblemType.INVALID_CURSOR: (400, "The cursor does not belong to this list and filter."),
    ProblemType.UNAUTHORIZED: (401, "The token is missing or not valid."),
    ProblemType.INSUFFICIENT_SCOPE: (403, "The token lacks a scope."),
    ProblemType.FORBIDDEN: (403, "The token or its owner has no right to do this."),
    ProblemType.NOT_FOUND: (404, "There is no such object."),
    ProblemType.METHOD_NOT_ALLOWED: (405, "This address does not support the method."),
    ProblemType.CONFLICT: (409, "The request conflicts with what is stored."),
    ProblemType.STILL_RUNNING: (409, "A request with this Idempotency-Key is still running."),
    ProblemType.PRECONDITION_FAILED: (412, "The object has changed."),
    ProblemType.TOO_LARGE: (413, "The request is too large."),
    ProblemType.UNSUPPORTED_MEDIA_TYPE: (415, "The body is not JSON."),
    ProblemType.KEY_REUSED: (422, "The Idempotency-Key belongs to another request."),
    ProblemType.TOO_MANY_REQUESTS: (429, "Too many requests."),
    ProblemType.INTERNAL_ERROR: (500, "Something went wrong."),
    ProblemType.UNAVAILABLE: (503, "The database is unavailable."),
}

_OF_STATUS = {
    400: ProblemType.INVALID_REQUEST,
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    409: ProblemType.CONFLICT,
    413: ProblemType.TOO_LARGE,
    415: ProblemType.UNSUPPORTED_MEDIA_TYPE,
    503: ProblemType.UNAVAILABLE,
}
_DETAILS = {
    404: "There is nothing at this address. See /api/docs.",
    405: "See the header Allow.",
    409: "Someone else changed this at the same time. Nothing was changed. Try again.",
    413: "A body may have at most 1 MiB.",
    500: "Nothing was changed. The error has been logged under the request ID.",
    503: "Nothing was changed. Try again in a moment.",
}


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one value.

    `pointer`: a JSON pointer into the body as a fragment (`#/url`), or `?name` for the query.
    """

    pointer: str
    detail: str


@dataclass
class ApiError(Exception):
    """Ends a request with a problem document. Neither text may repeat what the client sent."""

    type: ProblemType
    detail: str
    errors: list[FieldError] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def unauthorized(*, was_given: bool) -> ApiError:
    """Return the error for a missing or invalid token."""
    if was_given:
        detail = "The token is unknown, has expired or was revoked."
        challenge = f'{REALM}, error="invalid_token"'
    else:
        detail, challenge = "Send a token as 'Authorization: Bearer TOKEN'.", REALM
    return ApiError(ProblemType.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


def insufficient_scope(scope: str) -> ApiError:
    """Return the error for a token without the scope."""
    challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
    detail = f"This needs the scope {scope}. A token for one PBX never has users or config."
    return ApiError(ProblemType.INSUFFICIENT_SCOPE, detail, headers={"WWW-Authenticate": challenge})


def not_found(what: str = "object") -> ApiError:
    """Return the error for what does not exist, or must not be seen."""
    return ApiError(ProblemType.NOT_FOUND, f"There is no such {what}.")


def problem_document(error: ApiError) -> dict[str, Any]:
    """Return the error as a JSON object."""
    document: dict[str, Any] = {
        "type": TYPE_BASE + error.type,
        "title": error.type.sentence,
        "status": error.type.status,
        "detail": error.detail,
        "request_id": g.get("request_id", ""),
    }
    if error.errors:
        document["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
    return document


def problem_response(error: ApiError) -> Response:
    """Return the error as a response."""
    response = jsonify(problem_document(error))
    response.status_code = error.type.status
    response.content_type = MEDIA_TYPE
    response.headers.update(error.headers)
    return response


def _find_methods() -> set[str]:
    """Return the methods of exactly this path; none if only a path with parameters matches it.

    Of /deliveries/cancel, the methods of /deliveries/{delivery_id} are none.
    """
    rules = current_app.url_map.iter_rules()
    found = (rule.methods or () for rule in rules if rule.rule == request.path)
    return {method for methods in found for method in methods}


def http_problem(error: HTTPException) -> Response:
    """Return an error of Flask or Werkzeug as a problem document."""
    status = error.code or 500
    kind = _OF_STATUS.get(status) or (
        ProblemType.INVALID_REQUEST if status < 500 else ProblemType.INTERNAL_ERROR
    )
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(_find_methods() or error.valid_methods or ()))
    if status == 503:
        headers["Retry-After"] = "2"
    detail = _DETAILS.get(status) or HTTPStatus(status).phrase
    return problem_response(ApiError(kind, detail, headers=headers))
