"""Errors become answers here: a page, or for htmx a toast that leaves the page as it is."""

from http import HTTPStatus

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import (
    Conflict,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    UnprocessableEntity,
)

from callevents.db.session import end_transaction
from callevents.errors import CallEventsError, ConflictError, NotFoundError
from callevents.extensions import ErrorResponse, app_state
from callevents.web import htmx
from callevents.web.login import find_current_user

MESSAGES = {
    400: "The server could not read this request.",
    403: "Your account may look at everything here, but change nothing.",
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    413: "The request is larger than 1 MiB.",
    500: "Something went wrong here, and nothing was changed. It has been logged.",
    503: "The database does not answer. Nothing was changed; please try again in a moment.",
}
FORM_EXPIRED = (
    "This page was open for too long, or you have signed in or out elsewhere. Nothing was "
    "changed. Reload the page and do it again."
)

CHANGED_CONCURRENTLY = (
    "Somebody else has changed the same at this moment. Nothing was changed here; reload the page "
    "and look."
)

log = structlog.get_logger("callevents.web")


def init_app(app: Flask) -> None:
    """Register what answers errors."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(CallEventsError, _domain_error)
    for silent in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(silent, _database_unavailable)
    for overtaken in (IntegrityError, StaleDataError):
        app.register_error_handler(overtaken, _changed_concurrently)


def find_error_response() -> ErrorResponse | None:
    """Return the error response for API clients, None where people get a page."""
    for path, answer in app_state().error_responses.items():
        if request.path == path or request.path.startswith(path + "/"):
            return answer
    return None


def _domain_error(error: CallEventsError) -> Response:
    """Give the errors of the use cases their HTTP status."""
    if isinstance(error, NotFoundError):
        return _http_error(NotFound(str(error)))
    if isinstance(error, ConflictError):
        return _http_error(Conflict(str(error)))
    return _http_error(UnprocessableEntity(str(error)))


def _changed_concurrently(_error: Exception) -> Response:
    """Answer whoever was a moment later than somebody else who changed the same."""
    return _http_error(Conflict(CHANGED_CONCURRENTLY))


def _database_unavailable(error: Exception) -> Response:
    log.error("the database does not answer", error=str(error))
    return _http_error(ServiceUnavailable(retry_after=2))


def _expired(error: CSRFError) -> Response:
    return _error_response(error, FORM_EXPIRED, action="reload")


def _http_error(error: HTTPException) -> Response:
    if answer := find_error_response():
        return answer(error)
    own = error.description if error.description != type(error).description else None
    return _error_response(error, own or MESSAGES.get(error.code or 500) or error.description or "")


def _error_response(error: HTTPException, sentence: str, action: str = "") -> Response:
    status = error.code or 500
    # Of what the request has begun, nothing may be stored.
    end_transaction()
    if htmx.is_htmx():
        htmx.toast(sentence, "error", reference=_reference(status), action=action)
        response = Response(status=status)
    else:
        response = make_response(_error_page(status, sentence), status)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _error_page(status: int, sentence: str) -> str:
    """Return the error's page. After our own errors it asks the database nothing."""
    is_whole = status < 500 and find_current_user() is not None
    return render_template(
        "errors/error.html",
        layout="layouts/app.html" if is_whole else "layouts/bare.html",
        status=status,
        phrase=HTTPStatus(status).phrase,
        sentence=sentence,
        reference=_reference(status),
    )


def _reference(status: int) -> str:
    """Return what people can quote when they report an error of ours."""
    return str(g.get("request_id", "")) if status >= 500 else ""
