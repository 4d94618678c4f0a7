"""The ingest route. It only stores events and wakes workers, because calls wait for it."""

from collections.abc import Sequence
from typing import Any

import structlog
from flask import Blueprint, Response, g, jsonify, request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from callevents.api import vendor_formats
from callevents.api.authentication import Sender, TokenCache, get_header_token, token_error
from callevents.api.payload import read_payload
from callevents.api.problems import (
    ProblemError,
    field_errors,
    http_problem,
    problem,
    problem_response,
)
from callevents.api.rate_limit import RateLimiter, quota_problem
from callevents.api.report_text import describe_request, mask_detail
from callevents.db.session import end_transaction
from callevents.enums import Format
from callevents.errors import InvalidError, QuotaError, RevokedError, UnavailableError
from callevents.extensions import app_state, csrf
from callevents.ingest.accept import Accepted
from callevents.ingest.discarded import DiscardedReports
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report, read_report
from callevents.ingest.token_notes import TokenNotes

bp = Blueprint("ingest", __name__)
# API clients have no session that another site could use: they authenticate with a token.
csrf.exempt(bp)

Results = list[dict[str, Any]]
#: Valid reports with the names of their unknown fields, by position in the request.
ValidReports = dict[int, tuple[Report, list[str]]]

PATH = "/ingest/"
#: The key in the WSGI environment of the error if the fast path could not store the events.
STORE_ERROR = "callevents.store_error"
METHODS = ("GET", "POST")

log = structlog.get_logger("callevents.ingest")


@bp.route(f"{PATH}<slug>", methods=METHODS)
def receive(slug: str) -> Response:
    """Accept call events from a PBX."""
    if request.method == "HEAD":
        # Flask allows HEAD with GET, but a request for headers is not a report.
        raise MethodNotAllowed(METHODS)
    store_error = request.environ.get(STORE_ERROR)
    if store_error is not None and not isinstance(store_error, QuotaError):
        # Storing the events again would make the sender wait twice for a database that is down.
        raise store_error
    # The body may be in a vendor's format: the token of the query is read before the body.
    token = (
        get_header_token(request.headers)
        or vendor_formats.query_token(request)
        or read_payload(request).token
    )
    token_cache = app_state().get(TokenCache)
    address = request.remote_addr or ""
    sender = token_cache.refresh(slug, token, address)
    app_state().get(TokenNotes).note_use(sender.token_id, address)
    g.pbx_slug = slug
    try:
        if store_error is not None:
            raise store_error
        return _ingest(sender, token_cache, token)
    except QuotaError as error:
        if not error.is_full or app_state().get(RateLimiter).hold_off(sender.token_id, error):
            _store_discarded(sender, token, 429, str(error))
        raise quota_problem(error) from None
    except ProblemError as error:
        if error.status != 429:
            _store_discarded(sender, token, error.status, error.detail)
        raise


def _ingest(sender: Sender, token_cache: TokenCache, token: str) -> Response:
    """Accept the request of an authenticated PBX."""
    app_state().get(RateLimiter).check_held_off(sender.token_id)
    if sender.pbx.format is not Format.GENERIC:
        return _ingest_vendor_format(sender, token_cache, token)
    payload = read_payload(request)
    _check_rate(sender, payload.events)
    reports, results = _read_reports(payload.events)
    _store(sender, token_cache, token, reports, results)
    return _respond(results, is_batch=payload.is_batch)


def _ingest_vendor_format(sender: Sender, token_cache: TokenCache, token: str) -> Response:
    """Accept a request in the vendor's format of the PBX."""
    reading = vendor_formats.read(sender.pbx, request)
    if reading.ignored:
        _store_discarded(sender, token, 200, reading.ignored)
    _check_rate(sender, reading.reports)
    reports, results = _read_reports(reading.reports)
    if results and not reports:
        _reject(results, is_batch=len(results) > 1)
    _store(sender, token_cache, token, reports, results)
    return vendor_formats.answer(sender.pbx, token, results, reading)


def _store_discarded(sender: Sender, token: str, status: int, reason: str) -> None:
    app_state().get(DiscardedReports).store(
        sender.pbx.id,
        status,
        mask_detail(reason, token),
        lambda: describe_request(request, token),
    )


def _check_rate(sender: Sender, events: Sequence[Any]) -> None:
    app_state().get(RateLimiter).check(sender.pbx, max(1, len(events)))


def _store(
    sender: Sender, token_cache: TokenCache, token: str, reports: ValidReports, results: Results
) -> None:
    """Store the valid reports, and set the result of each."""
    if not reports:
        return
    try:
        accepted = _submit(sender, [report for report, _ in reports.values()])
    except RevokedError:
        token_cache.forget(sender)
        raise token_error(token) from None
    for (index, (_, ignored)), event in zip(reports.items(), accepted, strict=True):
        results[index] = build_result(event, ignored)


def _read_reports(events: Sequence[Any]) -> tuple[ValidReports, Results]:
    """Return the valid reports, and the results: a problem for each invalid event, else empty."""
    reports: ValidReports = {}
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


def _submit(sender: Sender, reports: list[Report]) -> list[Accepted]:
    """Store the events together with those of concurrent requests; return after the commit."""
    group_commit = app_state().get(GroupCommit)
    return group_commit.submit(sender.pbx, sender.token_id, reports)


@bp.after_request
def _wake_workers(response: Response) -> Response:
    """Wake the workers after the response: the PBX does not wait for Redis."""
    group_commit = app_state().get(GroupCommit)
    response.call_on_close(group_commit.wake_workers)
    return response


def build_result(event: Accepted, ignored: list[str]) -> dict[str, Any]:
    """Return the result of an accepted event."""
    result: dict[str, Any] = {
        "status": 200 if event.is_duplicate else 202,
        "id": event.id,
        "deliveries": event.deliveries,
    }
    if event.is_duplicate:
        result["repeated"] = True
    if ignored:
        result["ignored"] = ignored
    return result


def _respond(results: Results, *, is_batch: bool) -> Response:
    statuses = {result["status"] for result in results}
    if statuses == {422}:
        _reject(results, is_batch=is_batch)
    if is_batch:
        response = jsonify({"results": results})
    else:
        response = jsonify({name: results[0][name] for name in results[0] if name != "status"})
    response.status_code = 207 if 422 in statuses else max(statuses)
    return response


def _reject(results: Results, *, is_batch: bool) -> None:
    if is_batch:
        raise ProblemError(422, "None of the events is valid.", results=results)
    raise ProblemError(422, results[0]["detail"], errors=results[0].get("errors", []))


@bp.errorhandler(ProblemError)
def _problem_error(error: ProblemError) -> Response:
    return problem_response(error)


@bp.errorhandler(HTTPException)
def _http_exception(error: HTTPException) -> Response:
    return http_problem(error)


@bp.errorhandler(Exception)
def _unexpected_error(error: Exception) -> Response:
    end_transaction()
    log.error("ingest failed", exc_info=error)
    return http_problem(InternalServerError())


@bp.errorhandler(OperationalError)
@bp.errorhandler(InterfaceError)
@bp.errorhandler(PoolTimeoutError)
def _database_error(error: Exception) -> Response:
    log.error("database unavailable", error=str(error))
    return _service_unavailable(error)


@bp.errorhandler(UnavailableError)
def _service_unavailable(_error: Exception) -> Response:
    end_transaction()
    return problem_response(
        ProblemError(
            503,
            "The database is unavailable and the event may not be stored. Report it again.",
            headers={"Retry-After": "2"},
        )
    )
