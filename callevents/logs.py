"""Logs: readable on a terminal, JSON elsewhere; one line per request, without secrets."""

import logging
import random
import re
import sys
import time

import structlog
from flask import Flask, Response, g, request

from callevents.config.settings import Settings
from callevents.security.masking import mask_credentials

log = structlog.get_logger("callevents")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def init_app(app: Flask, settings: Settings) -> None:
    """Set up logging and request lines."""
    configure(settings)
    app.before_request(_start_request)
    app.after_request(_log_request)


def configure(settings: Settings) -> None:
    """Send our log and the libraries' logs to stderr, in the configured format."""
    pretty = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_credentials,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    # Their lines below WARNING are of use only for debugging these libraries.
    for noisy in ("rq.worker", "rq.queue", "alembic", "werkzeug"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


def _mask_credentials(
    _logger: object, _method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Mask secrets of apps that errors quote, such as the query of a request."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask_credentials(value)
    return event


def to_request_id(given: str) -> str:
    """Return the client's request ID if it is valid, or else a new one."""
    if _REQUEST_ID.fullmatch(given):
        return given
    # Not a secret: the system's random source would release the GIL to other threads.
    return f"{random.getrandbits(128):032x}"


def printable(text: str) -> str:
    """Return a stranger's text for a log line: special characters escaped, all on one line."""
    return text.encode("unicode_escape").decode("ascii")


def _start_request() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = to_request_id(given)
    g.request_started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _log_request(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.get("request_id", "")
    # The path only: a query may carry a token. A view whose path has a secret sets `logged_path`.
    log.info(
        "request",
        method=request.method,
        path=g.get("logged_path", request.path),
        status=response.status_code,
        milliseconds=round((time.perf_counter() - g.get("request_started", 0)) * 1000, 1),
        address=request.remote_addr,
    )
    return response
