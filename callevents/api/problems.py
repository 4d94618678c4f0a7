"""Problem documents (RFC 9457): error responses for API clients."""

from http import HTTPStatus

from flask import Response, jsonify
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Ends a request with a problem document; the text is its detail."""

    def __init__(
        self, status: int, detail: str, *, headers: dict[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members


def problem(status: int, detail: str, **members: object) -> dict[str, object]:
    """Return a problem document as a dictionary."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }


def problem_response(error: ProblemError) -> Response:
    """Return the error as a response."""
    response = jsonify(problem(error.status, error.detail, **error.members))
    response.status_code = error.status
    response.content_type = MEDIA_TYPE
    response.headers.update(error.headers)
    return response


def field_errors(errors: dict[str, list[str]]) -> list[dict[str, str]]:
    """Return the field errors in the form of the member `errors`."""
    return [
        {"field": field, "rule": sentence}
        for field, sentences in errors.items()
        for sentence in sentences
    ]


def http_problem(error: HTTPException) -> Response:
    """Return an error of Flask or Werkzeug as a problem document."""
    status = error.code or 500
    details = {
        404: "There is nothing at this address.",
        405: "This address does not support that method.",
        413: "The request is larger than 1 MiB.",
        500: "Something went wrong on the server. The error has been logged.",
    }
    headers = {}
    if status == 405 and getattr(error, "valid_methods", None):
        headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    detail = details.get(status) or error.description or HTTPStatus(status).phrase
    return problem_response(ProblemError(status, detail, headers=headers))
