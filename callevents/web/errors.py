"""Error handlers: errors become a page, or for htmx a toast that leaves the page unchanged."""

from http import HTTPStatus

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
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
from callevents.web.login import find_current_user, lacks_second_factor

MESSAGES = {
    400: "The server could not understand this request.",
    403: "Your account has no right to do this. Ask an admin.",
    404: "This page does not exist.",
    405: "This URL does not accept this method.",
    413: "The request is larger than 1 MiB.",
    500: "Something went wrong. Nothing was changed. The error has been logged.",
    503: "The database is unavailable. Nothing was changed. Try again in a moment.",
}
FORM_EXPIRED = (
    "This page has expired, or you have signed in or out elsewhere. Nothing was changed. "
    "Reload the page and try again."
)

CHANGED_CONCURRENTLY = (
    "Someone else changed this at the same time. Your change was not saved. Reload and try again."
)

log = structlog.get_logger("callevents.web")


def init_app(app: Flask) -> None:
    """Register the error handlers."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(CallEventsError, _domain_error)
    for unavailable in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(unavailable, _database_unavailable)
    for conflict in (IntegrityError, StaleDataError, ObjectDeletedError):
        app.register_error_handler(conflict, _changed_concurrently)


def find_error_response() -> ErrorResponse | None:
    """Return the function that builds errors for API clients, None if the URL is a page."""
    for path, answer in app_state().error_responses.items():
        if request.path == path or request.path.startswith(path + "/"):
            return answer
    return None


def _domain_error(error: CallEventsError) -> Response:
    """Map an error of the domain to its HTTP status."""
    if isinstance(error, NotFoundError):
        return _http_error(NotFound(str(error)))
    if isinstance(error, ConflictError):
        return _http_error(Conflict(str(error)))
    return _http_error(UnprocessableEntity(str(error)))


def _changed_concurrently(_error: Exception) -> Response:
    """Return 409 if another transaction changed the same rows first."""
    return _http_error(Conflict(CHANGED_CONCURRENTLY))


def _database_unavailable(error: Exception) -> Response:
    log.error("database unavailable", error=str(error))
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
    # Nothing that the request has begun may be stored.
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
    """Return the error's page. After a server error it does not query the database."""
    is_whole = status < 500 and find_current_user() is not None and not lacks_second_factor()
    return render_template(
        "errors/error.html",
        layout="layouts/app.html" if is_whole else "layouts/bare.html",
        status=status,
        phrase=HTTPStatus(status).phrase,
        sentence=sentence,
        reference=_reference(status),
    )


def _reference(status: int) -> str:
    """Return the request ID that users quote when they report a server error, else nothing."""
    return str(g.get("request_id", "")) if status >= 500 else ""
