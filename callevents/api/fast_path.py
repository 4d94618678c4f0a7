"""The fast path: responses to well-formed reports of a known PBX, without Flask.

Flask's contexts, routing, hooks and responses, and the line in the log, cost twice as much as
reading and storing an event together with others. The web server's event loop calls `read`, stores
the reports and calls `build_response`. All other requests go to the route in `ingest`, which uses
the same functions to read, store and respond.
"""

import json
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from callevents import logs
from callevents.api.authentication import Sender, TokenCache, get_header_token
from callevents.api.ingest import PATH, build_result
from callevents.api.payload import MULTIPART, read_payload
from callevents.api.problems import ProblemError
from callevents.api.rate_limit import RateLimiter
from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.extensions import app_state
from callevents.ingest.accept import Accepted
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report, read_report
from callevents.security import headers

Environ = dict[str, Any]


@dataclass(frozen=True)
class PlainReport:
    """A request whose reports can be stored as they are."""

    environ: Environ
    sender: Sender
    #: Reports with the names of their unknown fields.
    parsed: list[tuple[Report, list[str]]]
    is_batch: bool

    @property
    def reports(self) -> list[Report]:
        """The reports alone."""
        return [report for report, _ in self.parsed]


class FastPath:
    """Reads plain reports in the event loop; never waits for the database."""

    def __init__(self, app: Flask) -> None:
        self._token_cache = app_state(app).get(TokenCache)
        self._rate_limiter = app_state(app).get(RateLimiter)
        self.group_commit = app_state(app).get(GroupCommit)

    def read(self, environ: Environ) -> PlainReport | None:
        """Return the request's reports, or None if the route has to respond to the request."""
        request = Request(environ, populate_request=False)
        if not _is_plain(request):
            return None
        try:
            payload = read_payload(request)
            token = get_header_token(request) or payload.token
            sender = self._token_cache.find(request.path.removeprefix(PATH), token)
            if sender is None or sender.pbx.format is not Format.GENERIC:
                return None
            parsed = [read_report(_check_object(fields)) for fields in payload.events]
            self._rate_limiter.check(sender.pbx, len(parsed))
        except (ProblemError, InvalidError, HTTPException):
            return None
        return PlainReport(environ, sender, parsed, payload.is_batch)

    def forget(self, sender: Sender) -> None:
        """Forget a sender whose token has been revoked."""
        self._token_cache.forget(sender)


def build_response(
    plain_report: PlainReport, accepted: list[Accepted]
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the response's status, headers and body."""
    results = [
        build_result(event, ignored)
        for event, (_, ignored) in zip(accepted, plain_report.parsed, strict=True)
    ]
    status, body = _build_body(results, is_batch=plain_report.is_batch)
    return status, _build_headers(plain_report.environ, len(body)), body


def _is_plain(request: Request) -> bool:
    """Return True for a GET, or a POST whose length is known and that is no multipart form."""
    if request.method == "GET":
        return True
    return (
        request.method == "POST"
        and request.content_length is not None
        and request.mimetype != MULTIPART
    )


def _check_object(fields: object) -> dict[str, object]:
    if not isinstance(fields, dict):
        raise InvalidError({})
    return fields


def _build_body(results: list[dict[str, Any]], *, is_batch: bool) -> tuple[int, bytes]:
    status = 202 if any(one["status"] == 202 for one in results) else 200
    if is_batch:
        document: dict[str, Any] = {"results": results}
    else:
        [document] = results
        del document["status"]
    # As Flask writes it.
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return status, text.encode() + b"\n"


def _build_headers(environ: Environ, length: int) -> list[tuple[str, str]]:
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("X-Request-ID", logs.to_request_id(given)),
        *headers.api_headers(is_secure=environ["wsgi.url_scheme"] == "https"),
    ]
