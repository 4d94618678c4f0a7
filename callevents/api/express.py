"""The short way for what PBXs report all the time: well-formed events that are accepted.

Flask's contexts, routing, hooks and answers, and the line in the log, cost twice as much as reading
and storing an event together with others. So what is plain is answered here, in front of Flask.
Whatever is unusual, wrong or refused goes the long way to `ingest.take`, as if nobody had looked at
it before; both ways read, store and answer with the same functions.
"""

import json
import os
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from callevents import headers, logs
from callevents.api.ingest import FAILURE, PATH, Limiter, result_of
from callevents.api.payload import MAX_BYTES, MULTIPART, Payload, read_payload
from callevents.api.problems import ProblemError
from callevents.api.senders import Sender, Senders, given_token
from callevents.enums import Format
from callevents.errors import InvalidError, RevokedError
from callevents.intake import Intake
from callevents.jobs import Waker, get_waker
from callevents.reports import Report, read_report

Environ = dict[str, Any]


class Express:
    """A WSGI application that answers plain reports and hands all else to the next one."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._long_way = app.wsgi_app
        self._senders: Senders = app.extensions["callevents_senders"]
        self._limiter: Limiter = app.extensions["callevents_limiter"]
        self._intake: Intake = app.extensions["callevents_intake"]
        self._waker: Waker = get_waker(app)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer the request."""
        found = self._take(environ) if environ["PATH_INFO"].startswith(PATH) else None
        if found is None:
            return self._long_way(environ, start_response)
        status, body = found
        start_response(status, _headers(environ, len(body)))
        return _Answer(body, self._intake, self._waker)

    def _take(self, environ: Environ) -> tuple[str, bytes] | None:
        """Return status and body, None for what has to go the long way."""
        request = Request(environ, populate_request=False)
        if not _is_plain(request):
            return None
        try:
            # Read once, and put back for the long way.
            environ["wsgi.input"] = BytesIO(request.get_data())
            payload = read_payload(request)
            sender = self._find_sender(request, payload)
            if sender.pbx.format is not Format.GENERIC:
                return None
            read = [read_report(_object(fields)) for fields in payload.events]
            self._limiter.check(sender.pbx, len(read))
        except (ProblemError, InvalidError, HTTPException):
            return None
        except SQLAlchemyError as error:
            environ[FAILURE] = error
            return None
        return self._store(environ, sender, read, payload)

    def _find_sender(self, request: Request, payload: Payload) -> Sender:
        slug, token = request.path.removeprefix(PATH), given_token(request) or payload.token
        if sender := self._senders.find(slug, token):
            return sender
        with self._app.app_context():
            return self._senders.get(slug, token)

    def _store(
        self,
        environ: Environ,
        sender: Sender,
        read: list[tuple[Report, list[str]]],
        payload: Payload,
    ) -> tuple[str, bytes] | None:
        try:
            accepted = self._intake.submit(
                sender.pbx, sender.token_id, [report for report, _ in read]
            )
        except RevokedError:
            self._senders.forget(sender)
            return None
        except Exception as error:  # noqa: BLE001  # answered on the long way, whatever it is
            environ[FAILURE] = error
            return None
        results = [
            result_of(event, ignored) for event, (_, ignored) in zip(accepted, read, strict=True)
        ]
        return _write(results, is_batch=payload.is_batch)


class _Answer:
    """The body of an answer. Closed by the server when it is sent, it wakes the workers."""

    def __init__(self, body: bytes, intake: Intake, waker: Waker) -> None:
        self._body = [body]
        self._intake = intake
        self._waker = waker

    def __iter__(self) -> Any:
        return iter(self._body)

    def close(self) -> None:
        """Wake the workers, if nobody has done it for this commit."""
        if self._intake.take_wake():
            self._waker.wake()


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
        ("X-Request-ID", given if logs.is_request_id(given) else os.urandom(16).hex()),
        *headers.of_programs(is_secure=environ["wsgi.url_scheme"] == "https"),
    ]
