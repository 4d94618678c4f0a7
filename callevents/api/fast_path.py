"""The short way for what PBXs report all the time: well-formed events that are accepted.

Flask's contexts, routing, hooks and answers, and the line in the log, cost twice as much as reading
and storing an event together with others. So what is plain is answered here, in front of Flask.
Whatever is unusual, wrong or refused goes the long way to `ingest.take`, as if nobody had looked at
it before; both ways read, store and answer with the same functions.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from callevents import logs
from callevents.api.authentication import Sender, Senders, given_token
from callevents.api.ingest import FAILURE, PATH, result_of
from callevents.api.payload import MAX_BYTES, MULTIPART, Payload, read_payload
from callevents.api.problems import ProblemError
from callevents.api.rate_limit import Limiter
from callevents.enums import Format
from callevents.errors import InvalidError, RevokedError
from callevents.extensions import app_state
from callevents.ingest.accept import Accepted
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report, read_report
from callevents.jobs import Waker, get_waker
from callevents.security import headers

Environ = dict[str, Any]

#: Where in the WSGI environment it says that the sender is not remembered.
STRANGER = "callevents.stranger"


@dataclass(frozen=True)
class Plain:
    """A request whose events can be stored without more ado."""

    environ: Environ
    sender: Sender
    read: list[tuple[Report, list[str]]]
    is_batch: bool

    @property
    def reports(self) -> list[Report]:
        """What it reports."""
        return [report for report, _ in self.read]


class Express:
    """A WSGI application that answers plain reports and hands all else to the next one.

    The web server's event loop asks it for the two halves of that, `read` and `write`, and stores
    in between without a thread that waits.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.long_way = app.wsgi_app
        self._senders = app_state(app).get(Senders)
        self._limiter = app_state(app).get(Limiter)
        self.group_commit = app_state(app).get(GroupCommit)
        self._waker: Waker = get_waker(app)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer the request."""
        plain = self.read(environ) if environ["PATH_INFO"].startswith(PATH) else None
        accepted = self._store(plain) if plain else None
        if plain is None or accepted is None:
            return self.long_way(environ, start_response)
        status, answer_headers, body = write(plain, accepted)
        start_response(status, answer_headers)
        return _Answer(body, self.wake)

    def read(self, environ: Environ, *, may_ask: bool = True) -> Plain | None:
        """Return what the request reports, None for what has to go the long way.

        Who may not ask the database, which an event loop must not wait for, finds STRANGER in the
        environment if the sender is not remembered; the same request is to be read by who may.
        """
        request = Request(environ, populate_request=False)
        if not _is_plain(request):
            return None
        try:
            # Read once, and put back for the long way.
            environ["wsgi.input"] = BytesIO(request.get_data())
            payload = read_payload(request)
            sender = self._find_sender(request, payload, may_ask=may_ask)
            if sender is None:
                environ[STRANGER] = True
                return None
            if sender.pbx.format is not Format.GENERIC:
                return None
            read = [read_report(_object(fields)) for fields in payload.events]
            self._limiter.check(sender.pbx, len(read))
        except (ProblemError, InvalidError, HTTPException):
            return None
        except SQLAlchemyError as error:
            environ[FAILURE] = error
            return None
        return Plain(environ, sender, read, payload.is_batch)

    def note_failure(self, plain: Plain, error: Exception) -> None:
        """Have the long way answer an event that could not be stored, whatever the reason."""
        if isinstance(error, RevokedError):
            self._senders.forget(plain.sender)
        else:
            plain.environ[FAILURE] = error

    def wake(self) -> None:
        """Wake the workers, if nobody has done it for what was stored last."""
        if self.group_commit.take_wake():
            self._waker.wake()

    def _find_sender(self, request: Request, payload: Payload, *, may_ask: bool) -> Sender | None:
        slug, token = request.path.removeprefix(PATH), given_token(request) or payload.token
        sender = self._senders.find(slug, token)
        if sender is not None or not may_ask:
            return sender
        with self._app.app_context():
            return self._senders.get(slug, token)

    def _store(self, plain: Plain) -> list[Accepted] | None:
        try:
            return self.group_commit.submit(plain.sender.pbx, plain.sender.token_id, plain.reports)
        except Exception as error:  # noqa: BLE001  # answered on the long way, whatever it is
            self.note_failure(plain, error)
            return None


def write(plain: Plain, accepted: list[Accepted]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return the answer's status, headers and body."""
    results = [
        result_of(event, ignored) for event, (_, ignored) in zip(accepted, plain.read, strict=True)
    ]
    status, body = _write(results, is_batch=plain.is_batch)
    return status, _headers(plain.environ, len(body)), body


class _Answer:
    """The body of an answer. Closed by the server when it is sent, it wakes the workers."""

    def __init__(self, body: bytes, wake: Callable[[], None]) -> None:
        self._body = [body]
        self._wake = wake

    def __iter__(self) -> Any:
        return iter(self._body)

    def close(self) -> None:
        """Wake the workers, if nobody has done it for this commit."""
        self._wake()


def _is_plain(request: Request) -> bool:
    """Return whether the request can be read here: no stream, no form in parts, nothing huge."""
    if request.method == "GET":
        return True
    length = request.content_length
    return (
        request.method == "POST"
        and length is not None
        and length <= MAX_BYTES
        and request.mimetype != MULTIPART
    )


def _object(fields: object) -> dict[str, object]:
    if not isinstance(fields, dict):
        raise InvalidError({})
    return fields


def _write(results: list[dict[str, Any]], *, is_batch: bool) -> tuple[str, bytes]:
    status = "202 ACCEPTED" if any(one["status"] == 202 for one in results) else "200 OK"
    if is_batch:
        document: dict[str, Any] = {"results": results}
    else:
        [document] = results
        del document["status"]
    # As Flask writes it.
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return status, text.encode() + b"\n"


def _headers(environ: Environ, length: int) -> list[tuple[str, str]]:
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(length)),
        ("X-Request-ID", logs.to_request_id(given)),
        *headers.api_headers(is_secure=environ["wsgi.url_scheme"] == "https"),
    ]
