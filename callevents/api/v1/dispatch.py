"""Runs an operation: token, scope, rate limit, query and body, transaction, answer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from flask import Response, g, request
from pydantic import BaseModel

from callevents import audit
from callevents.api.v1.call import Call, etag_of
from callevents.api.v1.idempotency import KeyedRequest, read_key
from callevents.api.v1.operations import PREFIX, Created, Operation
from callevents.api.v1.problems import (
    ApiError,
    ProblemType,
    insufficient_scope,
    not_found,
    problem_response,
    unauthorized,
)
from callevents.api.v1.rate_limit import RequestLimiter
from callevents.api.v1.reading import invalid_values, read_body, read_query
from callevents.api_access.bearer import find_principal
from callevents.api_access.principal import Principal
from callevents.db.session import begin_write, end_transaction
from callevents.errors import (
    CallEventsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    RetryLaterError,
)
from callevents.extensions import app_state, db

BEARER = "bearer"


@dataclass(frozen=True)
class View:
    """The view of an operation."""

    operation: Operation

    def __call__(self, **path: str) -> Response:
        """Return the answer, or the problem document of an expected error."""
        try:
            response = self._run(path)
        except ApiError as error:
            response = problem_response(error)
        except CallEventsError as error:
            response = problem_response(_of_domain(error))
        finally:
            # What has not been committed must not be.
            end_transaction()
        response.headers.extend(_find_dates(self.operation))
        return response

    def _run(self, path: dict[str, str]) -> Response:
        principal = _authenticate()
        g.api_usage = usage = app_state().get(RequestLimiter).count(principal.id)
        if usage.is_exceeded:
            detail = f"Wait {usage.reset_seconds} seconds."
            wait = {"Retry-After": str(usage.reset_seconds)}
            raise ApiError(ProblemType.TOO_MANY_REQUESTS, detail, headers=wait)
        scope = self.operation.scope
        if scope is not None and not principal.has_scope(scope):
            raise insufficient_scope(scope)
        call = Call(
            principal,
            read_query(self.operation.query, request),
            read_body(self.operation.body, request),
            request.remote_addr or "",
            request.if_match,
        )
        if self.operation.changes:
            return self._change(call, path)
        return _conditional(self._answer(call, path))

    def _change(self, call: Call[Any, Any], path: dict[str, str]) -> Response:
        keyed = read_key(request, call.principal.id) if self.operation.method == "POST" else None
        with audit.acting_as(call.principal.as_actor(call.address)):
            if self.operation.is_external:
                return self._run_outside(call, path, keyed)
            begin_write()
            if keyed and (answered := keyed.find_answer()):
                return answered
            response = self._answer(call, path)
            if keyed:
                keyed.store(response)
            db.session.commit()
        call.finish()
        return response

    def _run_outside(
        self, call: Call[Any, Any], path: dict[str, str], keyed: KeyedRequest | None
    ) -> Response:
        if keyed is None:
            return self._answer(call, path)
        begin_write()
        if answered := keyed.find_answer():
            return answered
        keyed.mark_running()
        try:
            response = self._answer(call, path)
        except Exception:
            keyed.forget_now()
            raise
        begin_write()
        keyed.store(response)
        db.session.commit()
        return response

    def _answer(self, call: Call[Any, Any], path: dict[str, str]) -> Response:
        done: Any = self.operation.handler(call, **path)
        if isinstance(done, Response):
            return done
        if done is None:
            return Response(status=204)
        # What the database fills in belongs to the answer.
        answer: BaseModel = done.answer if isinstance(done, Created) else done
        status = 201 if isinstance(done, Created) else self.operation.status
        response = Response(answer.model_dump_json(), status)
        response.content_type = "application/json"
        if isinstance(done, Created):
            response.headers["Location"] = PREFIX + done.path
        if self.operation.has_etag:
            response.set_etag(etag_of(answer))
        return response


def add_usage(response: Response) -> Response:
    """Add the header fields of the rate limit."""
    if usage := g.get("api_usage"):
        response.headers.update(usage.headers())
    return response


def _authenticate() -> Principal:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != BEARER or not token:
        raise unauthorized(was_given=False)
    principal = find_principal(token, request.remote_addr or "")
    if principal is None:
        raise unauthorized(was_given=True)
    return principal


def _conditional(response: Response) -> Response:
    """Return 304 if the client has this version already."""
    tag, weak = response.get_etag()
    if tag is not None and request.if_none_match.contains_weak(tag):
        unchanged = Response(status=304)
        unchanged.set_etag(tag, weak=bool(weak))
        return unchanged
    return response


def _of_domain(error: CallEventsError) -> ApiError:
    if isinstance(error, InvalidError):
        return invalid_values(error)
    if isinstance(error, NotFoundError):
        # The sentence of the domain repeats what was looked for.
        return not_found()
    if isinstance(error, RetryLaterError):
        wait = {"Retry-After": str(error.wait_seconds)}
        return ApiError(ProblemType.TOO_MANY_REQUESTS, str(error), headers=wait)
    if isinstance(error, ConflictError):
        return ApiError(ProblemType.CONFLICT, str(error))
    return ApiError(ProblemType.INVALID_REQUEST, str(error))


def _find_dates(operation: Operation) -> dict[str, str]:
    """Return the header fields of a route that will go (RFC 9745 and RFC 8594)."""
    found: dict[str, str] = {}
    if operation.deprecated_at is not None:
        found["Deprecation"] = f"@{int(operation.deprecated_at.timestamp())}"
    if operation.sunset_at is not None:
        found["Sunset"] = _http_date(operation.sunset_at)
    return found


def _http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)
