"""Errors become answers here: a page, or for htmx a toast that leaves the page as it is."""

from http import HTTPStatus

import structlog
from flask import Flask, g, make_response, render_template
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import (
    Conflict,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    UnprocessableEntity,
)

from callevents.errors import CallEventsError, ConflictError, NotFoundError
from callevents.extensions import db
from callevents.web import hx
from callevents.web.hx import Answer

SENTENCES = {
    400: "The server could not read this request.",
    403: "You may look at everything here, but only admins may change it.",
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    413: "The request is larger than 1 MiB.",
    500: "Something went wrong here, and nothing was changed. It has been logged.",
    503: "The database does not answer. Nothing was changed; please try again in a moment.",
}
EXPIRED = (
    "This page has been open for too long, or you have signed in or out elsewhere. Nothing was "
    "changed. Reload the page and do it again."
)

log = structlog.get_logger(__name__)


def init_app(app: Flask) -> None:
    """Register what answers errors. Blueprints for programs have their own, which come first."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _expired)
    app.register_error_handler(CallEventsError, _domain_error)
    for silent in (OperationalError, InterfaceError, PoolTimeoutError):
        app.register_error_handler(silent, _no_database)


def _domain_error(error: CallEventsError) -> Answer:
    """Give the errors of the use cases their HTTP status."""
    if isinstance(error, NotFoundError):
        return _http_error(NotFound(str(error)))
    if isinstance(error, ConflictError):
        return _http_error(Conflict(str(error)))
    return _http_error(UnprocessableEntity(str(error)))


def _no_database(error: Exception) -> Answer:
    log.error("the database does not answer", error=str(error))
    return _http_error(ServiceUnavailable(retry_after=2))


def _expired(error: CSRFError) -> Answer:
    return _answer(error, EXPIRED)


def _http_error(error: HTTPException) -> Answer:
    own = error.description if error.description != type(error).description else None
    return _answer(error, own or SENTENCES.get(error.code or 500) or error.description or "")


def _answer(error: HTTPException, sentence: str) -> Answer:
    code = error.code or 500
    db.session.rollback()
    if hx.is_asking():
        reference = f" Request {g.get('request_id', '')}." if code >= 500 else ""
        response = hx.fail(code, sentence + reference)
    else:
        title = HTTPStatus(code).phrase
        page = render_template("error.html", code=code, title=title, sentence=sentence)
        response = make_response(page, code)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response
