"""The fast path: responses to well-formed reports of a known PBX, without Flask.

Flask's contexts, routing, hooks and responses, and the line in the log, cost twice as much as
reading and storing an event together with others. The web server's event loop calls `read`, stores
the reports and calls `build_response`. All other requests go to the route in `ingest`, which uses
the same functions to read, store and respond.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.http import parse_options_header

from callevents import logs
from callevents.api.authentication import Sender, TokenCache, get_header_token
from callevents.api.ingest import METHODS, PATH, build_result
from callevents.api.payload import Fields, merge, parse_body, read_query
from callevents.api.problems import ProblemError
from callevents.api.rate_limit import RateLimiter
from callevents.enums import Format
from callevents.errors import InvalidError
from callevents.extensions import app_state
from callevents.ingest.accept import Accepted
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report, read_report
from callevents.ingest.token_notes import TokenNotes
from callevents.security import headers as security

#: As Flask writes JSON.
_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
#: The headers that all responses have, as they are sent, by whether the client uses HTTPS. With
#: these, and without an encoder for the usual body, a report is read and answered in 9 % less time.
_LINES = {
    is_secure: "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            ("Content-Type", "application/json"),
            *security.api_headers(is_secure=is_secure),
        )
    )
    for is_secure in (False, True)
}


class PlainRequest(NamedTuple):
    """A request whose body is complete."""

    method: str
    path: bytes
    query: bytes
    #: By names in lower case. Headers with the same name are joined, as in a WSGI environment.
    headers: Mapping[str, str]
    body: bytes
    #: True if the client uses HTTPS.
    is_secure: bool


class PlainReport(NamedTuple):
    """A request whose reports can be stored as they are."""

    sender: Sender
    #: Reports with the names of their unknown fields.
    parsed: list[tuple[Report, list[str]]]
    is_batch: bool
    request_id: str
    is_secure: bool

    @property
    def reports(self) -> list[Report]:
        """The reports alone."""
        return [report for report, _ in self.parsed]


class FastPath:
    """Reads plain reports in the event loop; never waits for the database."""

    def __init__(self, app: Flask) -> None:
        self._token_cache = app_state(app).get(TokenCache)
        self._rate_limiter = app_state(app).get(RateLimiter)
        self._token_notes = app_state(app).get(TokenNotes)
        self.group_commit = app_state(app).get(GroupCommit)

    def read(self, request: PlainRequest) -> PlainReport | None:
        """Return the request's reports, or None if the route has to respond to the request."""
        if request.method not in METHODS or request.headers.get("content-encoding"):
            return None
        try:
            payload = merge(read_query(request.query), _parse_body(request))
            token = get_header_token(request.headers) or payload.token
            slug = request.path.decode("latin-1").removeprefix(PATH)
            sender = self._token_cache.find(slug, token)
            if sender is None or sender.pbx.format is not Format.GENERIC:
                return None
            self._rate_limiter.check_held_off(sender.token_id)
            parsed = [read_report(_check_object(fields)) for fields in payload.events]
            self._rate_limiter.check(sender.pbx, len(parsed))
        except (ProblemError, InvalidError):
            return None
        request_id = logs.to_request_id(request.headers.get("x-request-id", ""))
        return PlainReport(sender, parsed, payload.is_batch, request_id, request.is_secure)

    def note_use(self, sender: Sender, address: str) -> None:
        """Note that a report with the sender's token came from that address."""
        self._token_notes.note_use(sender.token_id, address)

    def forget(self, sender: Sender) -> None:
        """Forget a sender whose token has been revoked."""
        self._token_cache.forget(sender)


def build_response(plain_report: PlainReport, accepted: list[Accepted]) -> tuple[int, str, bytes]:
    """Return the response's status, header lines and body."""
    if plain_report.is_batch or plain_report.parsed[0][1]:
        status, text = _build_results(plain_report, accepted)
    else:
        [event] = accepted
        status = 200 if event.is_duplicate else 202
        repeated = ',"repeated":true' if event.is_duplicate else ""
        text = f'{{"deliveries":{event.deliveries},"id":"{event.id}"{repeated}}}'
    lines = f"X-Request-ID: {plain_report.request_id}\r\n{_LINES[plain_report.is_secure]}"
    return status, lines, text.encode() + b"\n"


def _build_results(plain_report: PlainReport, accepted: list[Accepted]) -> tuple[int, str]:
    results = [
        build_result(event, ignored)
        for event, (_, ignored) in zip(accepted, plain_report.parsed, strict=True)
    ]
    status = 202 if any(one["status"] == 202 for one in results) else 200
    if plain_report.is_batch:
        document: dict[str, Any] = {"results": results}
    else:
        [document] = results
        del document["status"]
    return status, _ENCODER.encode(document)


def _parse_body(request: PlainRequest) -> Fields | list[Any] | None:
    if request.method == "GET":
        return None
    mimetype, _ = parse_options_header(request.headers.get("content-type"))
    return parse_body(request.body, mimetype.lower())


def _check_object(fields: object) -> dict[str, object]:
    if not isinstance(fields, dict):
        raise InvalidError({})
    return fields
