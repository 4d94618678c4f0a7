"""Runs an operation: token, scope, rate limit, query and body, transaction, answer."""

from dataclasses import dataclass
from typing import Any

from flask import Response, g, request
from pydantic import BaseModel

from callevents import audit
from callevents.api.request_limit import RequestLimiter
from callevents.api.v1.call import Call, etag_of
from callevents.api.v1.headers import link_to_next, read_condition
from callevents.api.v1.idempotency import KeyedRequest, read_key
from callevents.api.v1.models import Page
from callevents.api.v1.operations import PREFIX, Created, Operation
from callevents.api.v1.problems import (
    ApiError,
    ProblemType,
    insufficient_scope,
    not_found,
    problem_response,
    unauthorized,
)
from callevents.api.v1.reading import invalid_values, is_storable, read_body, read_query
from callevents.api.v1.sent import leave_out, texts_of
from callevents.api_access.bearer import find_principal, find_principal_again
from callevents.api_access.principal import Principal
from callevents.db.session import begin_write, end_transaction
from callevents.errors import (
    CallEventsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    RetryLaterError,
    UnavailableError,
)
from callevents.extensions import app_state, db
from callevents.security.encryption import UnreadableError

BEARER = "bearer"
#: Longer values in a path name nothing.
MAX_NAME_LENGTH = 500


@dataclass(frozen=True)
class View:
    """The view of an operation."""

    operation: Operation

    def __call__(self, **path: str) -> Response:
        """Return the answer, or the problem document of an expected error."""
        g.api_operation = self.operation
        try:
            return self._run(path)
        except ApiError as error:
            return problem_response(error)
        except CallEventsError as error:
            return problem_response(_of_domain(error))
        finally:
            # What has not been committed must not be.
            end_transaction()

    def _run(self, path: dict[str, str]) -> Response:
        principal = find_principal(_read_token(), request.remote_addr or "")
        if principal is None:
            raise unauthorized(was_given=True)
        g.api_usage = usage = app_state().get(RequestLimiter).count(principal.id)
        if usage.is_exceeded:
            detail = f"Wait {usage.reset_seconds} seconds."
            wait = {"Retry-After": str(usage.reset_seconds)}
            raise ApiError(ProblemType.TOO_MANY_REQUESTS, detail, headers=wait)
        self._check_scope(principal)
        if not all(len(name) <= MAX_NAME_LENGTH and is_storable(name) for name in path.values()):
            raise not_found()
        call = Call(
            principal,
            read_query(self.operation.query, request),
            read_body(self.operation.body, request, self.operation.body_media_types),
            request.remote_addr or "",
            read_condition(request, "If-Match"),
            read_condition(request, "If-None-Match"),
        )
        if self.operation.changes:
            return self._change(call, path)
        return _unless_known(self._answer(call, path), call)

    def _check_scope(self, principal: Principal) -> None:
        scope = self.operation.scope
        if scope is not None and not principal.has_scope(scope):
            raise insufficient_scope(scope)

    def _change(self, call: Call[Any, Any], path: dict[str, str]) -> Response:
        keyed = read_key(request, call.principal.id) if self.operation.method == "POST" else None
        with audit.acting_as(call.principal.as_actor(call.address)):
            if self.operation.is_external:
                response = self._run_outside(call, path, keyed)
            else:
                if self.operation.prepare:
                    call.prepared = self.operation.prepare(call)
                begin_write()
                self._authenticate_again(call)
                if keyed and (answered := keyed.find_answer()):
                    return answered
                response = self._answer(call, path)
                if keyed:
                    keyed.store(response)
                db.session.commit()
        call.finish()
        return response

    def _authenticate_again(self, call: Call[Any, Any]) -> None:
        """Let the call have the rights that there are in the transaction of the change.

        Raises ApiError if the token has been revoked since, or has lost the scope.
        """
        principal = find_principal_again(_read_token())
        if principal is None:
            raise unauthorized(was_given=True)
        self._check_scope(principal)
        call.principal = principal

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
        answer: BaseModel = done.answer if isinstance(done, Created) else done
        status = 201 if isinstance(done, Created) else self.operation.status
        response = Response(answer.model_dump_json(), status)
        response.content_type = "application/json"
        if isinstance(done, Created):
            response.headers["Location"] = PREFIX + done.path
        if self.operation.has_etag:
            response.set_etag(etag_of(answer))
        if isinstance(answer, Page) and answer.next_cursor is not None:
            response.headers["Link"] = link_to_next(request, answer.next_cursor)
        return response


def _read_token() -> str:
    """Return the token of the request; raises ApiError without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != BEARER or not token:
        raise unauthorized(was_given=False)
    return token


def _unless_known(response: Response, call: Call[Any, Any]) -> Response:
    """Return 304 if the client has this version already."""
    tag, _weak = response.get_etag()
    if tag is not None and call.if_none_match.contains_weak(tag):
        unchanged = Response(status=304)
        unchanged.set_etag(tag)
        return unchanged
    return response


def _of_domain(error: CallEventsError) -> ApiError:
    """Return the error of the API; its sentences do not repeat what was sent."""
    sent = list(texts_of(request))
    if isinstance(error, InvalidError):
        return invalid_values(error, sent)
    if isinstance(error, NotFoundError):
        return not_found()
    sentence = leave_out(str(error), sent)
    if isinstance(error, RetryLaterError):
        wait = {"Retry-After": str(error.wait_seconds)}
        return ApiError(ProblemType.TOO_MANY_REQUESTS, sentence, headers=wait)
    if isinstance(error, UnavailableError):
        return ApiError(ProblemType.UNAVAILABLE, sentence, headers={"Retry-After": "2"})
    if isinstance(error, ConflictError | UnreadableError):
        return ApiError(ProblemType.CONFLICT, sentence)
    return ApiError(ProblemType.INVALID_REQUEST, sentence)
