"""The ingest route. It stores and wakes, nothing else, because calls wait for it."""

import re
from collections.abc import Sequence
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, g, jsonify, request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.wrappers import Request

from callevents.api import vendor_formats
from callevents.api.authentication import Sender, Senders, given_token, refusal
from callevents.api.payload import read_payload
from callevents.api.problems import (
    ProblemError,
    field_errors,
    http_problem,
    problem,
    problem_response,
)
from callevents.api.rate_limit import Limiter
from callevents.db.session import end_transaction
from callevents.enums import Format
from callevents.errors import InvalidError, RevokedError, UnavailableError
from callevents.extensions import app_state, csrf
from callevents.ingest.accept import Accepted
from callevents.ingest.discarded import MAX_SENT_LENGTH, DiscardedReports
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report, read_report
from callevents.jobs import get_waker
from callevents.security.masking import MASK

_TOKEN = re.compile(r"(?i)(token=)[^&\s]+")

bp = Blueprint("ingest", __name__)
# Programs have no session that another site could borrow: they prove themselves by their token.
csrf.exempt(bp)

Results = list[dict[str, Any]]
#: Reports with the names of their unknown fields, by their position in the request.
Readable = dict[int, tuple[Report, list[str]]]

PATH = "/ingest/"
#: Where in the WSGI environment an error is that has occurred already, on the short way.
FAILURE = "callevents.ingest_failure"
TAKEN_METHODS = ("GET", "POST")

log = structlog.get_logger("callevents.ingest")


@bp.route(f"{PATH}<slug>", methods=TAKEN_METHODS)
def take(slug: str) -> Response:
    """Accept the call events that a PBX reports."""
    if request.method == "HEAD":
        # Flask lets it pass where GET does, but nobody reports by asking for headers.
        raise MethodNotAllowed(TAKEN_METHODS)
    if failure := request.environ.get(FAILURE):
        raise failure
    # A maker's message is not read as ours: its query tells the token before its body is read.
    token = (
        given_token(request) or vendor_formats.query_token(request) or read_payload(request).token
    )
    senders = app_state().get(Senders)
    sender = senders.renew(slug, token)
    g.pbx_slug = slug
    try:
        return _take_of(sender, senders, token)
    except ProblemError as error:
        if error.status != 429:
            _store_discarded(sender, token, error.status, error.detail)
        raise


def _take_of(sender: Sender, senders: Senders, token: str) -> Response:
    """Accept what a known PBX reports."""
    if sender.pbx.format is not Format.GENERIC:
        return _take_of_maker(sender, senders, token)
    payload = read_payload(request)
    _check_rate(sender, payload.events)
    reports, results = _read(payload.events)
    _store(sender, senders, token, reports, results)
    return _answer(results, is_batch=payload.is_batch)


def _take_of_maker(sender: Sender, senders: Senders, token: str) -> Response:
    """Accept what a PBX reports in its maker's format."""
    reading = vendor_formats.read(sender.pbx, request)
    if reading.ignored:
        _store_discarded(sender, token, 200, reading.ignored)
    _check_rate(sender, reading.reports)
    reports, results = _read(reading.reports)
    if results and not reports:
        _refuse(results, is_batch=len(results) > 1)
    _store(sender, senders, token, reports, results)
    return vendor_formats.answer(sender.pbx, token, results, reading)


def _store_discarded(sender: Sender, token: str, status: int, reason: str) -> None:
    app_state().get(DiscardedReports).keep(
        sender.pbx.id, status, reason, lambda: describe_request(request, token)
    )


def _check_rate(sender: Sender, events: Sequence[Any]) -> None:
    app_state().get(Limiter).check(sender.pbx, max(1, len(events)))


def _store(
    sender: Sender, senders: Senders, token: str, reports: Readable, results: Results
) -> None:
    """Store the readable reports, and put what became of each into the results."""
    if not reports:
        return
    try:
        accepted = _accept(sender, [report for report, _ in reports.values()])
    except RevokedError:
        senders.forget(sender)
        raise refusal(token) from None
    for (index, (_, ignored)), event in zip(reports.items(), accepted, strict=True):
        results[index] = result_of(event, ignored)


def _read(events: Sequence[Any]) -> tuple[Readable, Results]:
    """Return the readable reports with their unknown fields, by position, and a result for each."""
    reports: Readable = {}
    results: Results = []
    for index, fields in enumerate(events):
        results.append({})
        if not isinstance(fields, dict):
            results[index] = problem(422, "Each event must be a JSON object.")
            continue
        try:
            reports[index] = read_report(fields)
        except InvalidError as error:
            results[index] = problem(422, _summary(error), errors=field_errors(error.errors))
    return reports, results


def _summary(error: InvalidError) -> str:
    return " ".join(
        f"{field}: {sentence}" for field, group in error.errors.items() for sentence in group
    )


def _accept(sender: Sender, reports: list[Report]) -> list[Accepted]:
    """Store the events together with those of other requests; answer after the commit."""
    group_commit = app_state().get(GroupCommit)
    return group_commit.submit(sender.pbx, sender.token_id, reports)


@bp.after_request
def _wake_afterwards(response: Response) -> Response:
    """Wake the workers when the PBX has its answer: it is not to wait for Redis."""
    group_commit = app_state().get(GroupCommit)
    waker = get_waker(current_app)
    response.call_on_close(lambda: waker.wake() if group_commit.take_wake() else None)
    return response


def result_of(event: Accepted, ignored: list[str]) -> dict[str, Any]:
    """Return what is answered about an event that was taken."""
    result: dict[str, Any] = {
        "status": 200 if event.repeated else 202,
        "id": event.id,
        "deliveries": event.deliveries,
    }
    if event.repeated:
        result["repeated"] = True
    if ignored:
        result["ignored"] = ignored
    return result


def _answer(results: Results, *, is_batch: bool) -> Response:
    statuses = {result["status"] for result in results}
    if statuses == {422}:
        _refuse(results, is_batch=is_batch)
    if is_batch:
        response = jsonify({"results": results})
    else:
        response = jsonify({name: results[0][name] for name in results[0] if name != "status"})
    response.status_code = 207 if 422 in statuses else max(statuses)
    return response


def _refuse(results: Results, *, is_batch: bool) -> None:
    if is_batch:
        raise ProblemError(422, "None of the events can be taken.", results=results)
    raise ProblemError(422, results[0]["detail"], errors=results[0].get("errors", []))


@bp.errorhandler(ProblemError)
def _problem(error: ProblemError) -> Response:
    return problem_response(error)


@bp.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> Response:
    return http_problem(error)


@bp.errorhandler(Exception)
def _unforeseen(error: Exception) -> Response:
    end_transaction()
    log.error("ingest failed", exc_info=error)
    return http_problem(InternalServerError())


@bp.errorhandler(OperationalError)
@bp.errorhandler(InterfaceError)
@bp.errorhandler(PoolTimeoutError)
def _no_database(error: Exception) -> Response:
    log.error("the database does not answer", error=str(error))
    return _unavailable(error)


@bp.errorhandler(UnavailableError)
def _unavailable(_error: Exception) -> Response:
    end_transaction()
    return problem_response(
        ProblemError(
            503,
            "The database does not answer, and the event may not be stored. Report it again.",
            headers={"Retry-After": "2"},
        )
    )


def describe_request(request: Request, token: str) -> str:
    """Return the beginning of the request, its token masked."""
    query = request.query_string.decode("utf-8", "replace")
    try:
        body = request.get_data()[: 2 * MAX_SENT_LENGTH].decode("utf-8", "replace")
    except Exception:  # noqa: BLE001  # every server has errors of its own for what it cannot read
        body = ""
    line = f"{request.method} {request.path}{'?' if query else ''}{query}"
    kind = f"\nContent-Type: {request.content_type[:200]}" if request.content_type else ""
    text = f"{line}{kind}\n\n{body}".rstrip()
    return _TOKEN.sub(rf"\1{MASK}", text.replace(token, MASK) if token else text)
