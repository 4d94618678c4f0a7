"""The ingest route. It stores and wakes, nothing else, because calls wait for it."""

import time
from math import ceil
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, g, jsonify, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from callevents.api.payload import Payload, read_payload
from callevents.api.problems import (
    ProblemError,
    field_errors,
    http_problem,
    problem,
    problem_response,
)
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import begin_write, csrf, db
from callevents.ingest import Accepted, accept
from callevents.jobs import wake
from callevents.models import Pbx
from callevents.pbxs import find_pbx_by_token
from callevents.reports import Report, read_report

bp = Blueprint("ingest", __name__)
# Programs have no session that another site could borrow: they prove themselves by their token.
csrf.exempt(bp)

Results = list[dict[str, Any]]

TAKEN_METHODS = ("GET", "POST")

log = structlog.get_logger("callevents.ingest")


class Limiter:
    """Keeps one PBX from flooding this process: a fixed window of a minute, in memory.

    In memory, so that it costs a dialplan nothing and cannot fail with Redis.
    """

    def __init__(self, events_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(events_per_minute)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, pbx: Pbx, events: int) -> None:
        """Raise ProblemError if the PBX has reported too much within this minute."""
        if not self._limiter.hit(self._limit, pbx.slug, cost=events):
            reset_at = self._limiter.get_window_stats(self._limit, pbx.slug).reset_time
            wait = max(1, ceil(reset_at - time.time()))
            raise ProblemError(
                429,
                f"More than {self._limit.amount:,} events within a minute. Wait {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )


@bp.route("/ingest/<slug>", methods=TAKEN_METHODS)
def take(slug: str) -> Response:
    """Accept the call events that a PBX reports."""
    if request.method == "HEAD":
        # Flask lets it pass where GET does, but nobody reports by asking for headers.
        raise MethodNotAllowed(TAKEN_METHODS)
    payload = read_payload(request)
    pbx = _authenticate(slug, payload)
    current_app.extensions["callevents_limiter"].check(pbx, len(payload.events))
    reports, results = _read(payload.events)
    accepted = _accept(pbx, [report for report, _ in reports.values()])
    for (index, (_, ignored)), event in zip(reports.items(), accepted, strict=True):
        results[index] = _result(event, ignored)
    return _answer(results, is_batch=payload.is_batch)


def _authenticate(slug: str, payload: Payload) -> Pbx:
    """Return the PBX; raises ProblemError with 401 or 404."""
    token = _given_token() or payload.token
    try:
        pbx = find_pbx_by_token(slug, token)
    except NotFoundError:
        raise ProblemError(404, f"There is no PBX {slug[:64]!a}. Check the address.") from None
    if pbx is None:
        detail = (
            "The token is not one of this PBX's valid ones."
            if token
            else "The token is missing. Send it as 'Authorization: Bearer TOKEN', as the password "
            "of HTTP Basic, as 'X-Ingest-Token: TOKEN', or as token=TOKEN in the query."
        )
        raise ProblemError(401, detail, headers={"WWW-Authenticate": 'Bearer realm="ingest"'})
    g.pbx_slug = slug
    # Kept as it is when the session begins anew as a writer's.
    db.session.expunge(pbx)
    return pbx


def _given_token() -> str:
    """Return the token of the headers, empty if there is none."""
    authorization = request.authorization
    if authorization is not None:
        if authorization.type == "bearer":
            return authorization.token or ""
        if authorization.type == "basic":
            return authorization.password or ""
    return request.headers.get("X-Ingest-Token", "").strip()


def _read(events: list[Any]) -> tuple[dict[int, tuple[Report, list[str]]], Results]:
    """Return the readable reports with their unknown fields, by position, and a result for each."""
    reports: dict[int, tuple[Report, list[str]]] = {}
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


def _accept(pbx: Pbx, reports: list[Report]) -> list[Accepted]:
    """Store the events in one transaction, and only then wake the workers."""
    if not reports:
        return []
    begin_write()
    accepted = accept(pbx, reports)
    db.session.commit()
    if any(event.deliveries for event in accepted):
        wake()
    return accepted


def _result(event: Accepted, ignored: list[str]) -> dict[str, Any]:
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
    db.session.rollback()
    log.error("ingest failed", exc_info=error)
    return http_problem(InternalServerError())


@bp.errorhandler(OperationalError)
@bp.errorhandler(InterfaceError)
@bp.errorhandler(PoolTimeoutError)
def _no_database(error: Exception) -> Response:
    db.session.rollback()
    log.error("the database does not answer", error=str(error))
    return problem_response(
        ProblemError(
            503,
            "The database does not answer, and the event may not be stored. Report it again.",
            headers={"Retry-After": "2"},
        )
    )
