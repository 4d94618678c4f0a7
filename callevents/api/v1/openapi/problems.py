"""The errors of operations as responses, which operations share."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from callevents.api.problems import MEDIA_TYPE
from callevents.api.v1.openapi.fields import IF_MATCH_METHODS, fields_of_error
from callevents.api.v1.openapi.schemas import Schemas
from callevents.api.v1.operations import Operation
from callevents.api.v1.problem_guide import GUIDE
from callevents.api.v1.problem_models import Problem
from callevents.api.v1.problems import TYPE_BASE, ProblemType

#: Header fields that belong to a kind of error.
_FIELDS = {
    ProblemType.UNAUTHORIZED: "WWW-Authenticate",
    ProblemType.INSUFFICIENT_SCOPE: "WWW-Authenticate",
    ProblemType.STILL_RUNNING: "Retry-After",
    ProblemType.TOO_MANY_REQUESTS: "Retry-After",
    ProblemType.UNAVAILABLE: "Retry-After",
}


#: Status, name of the component and sentence of what the web server refuses.
_REFUSALS = (
    (414, "UriTooLong", "The URL is too long."),
    (431, "HeaderFieldsTooLarge", "The header fields are too large."),
)


class SharedResponses:
    """Responses for sets of errors, each one a component that operations refer to."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self.components: dict[str, Any] = {}

    def refer(self, kinds: list[ProblemType], one: Operation) -> dict[str, str]:
        """Return a reference to the response for errors with the same status."""
        is_going = one.deprecated_at is not None or one.sunset_at is not None
        name = "Or".join(_camel_case(kind) for kind in kinds) + ("Deprecated" if is_going else "")
        if name not in self.components:
            self.components[name] = self._describe(kinds, one)
        return {"$ref": f"#/components/responses/{name}"}

    def refer_to_refusals(self) -> dict[str, dict[str, str]]:
        """Return references to the responses of the web server, by status.

        It refuses these requests before they get here, so they have no type of ours.
        """
        for status, name, sentence in _REFUSALS:
            self.components.setdefault(name, self._describe_refusal(status, sentence))
        return {
            str(status): {"$ref": f"#/components/responses/{name}"} for status, name, _ in _REFUSALS
        }

    def _describe_refusal(self, status: int, sentence: str) -> dict[str, Any]:
        example = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": sentence,
        }
        return {
            "description": f"{sentence} The server has not read the request.",
            "content": {
                MEDIA_TYPE: {
                    "schema": self._schemas.reference(Problem, "serialization"),
                    "example": example,
                }
            },
        }

    def _describe(self, kinds: list[ProblemType], one: Operation) -> dict[str, Any]:
        fields = [_FIELDS[kind] for kind in kinds if kind in _FIELDS]
        return {
            "description": " Or: ".join(kind.sentence for kind in kinds),
            "headers": fields_of_error(
                fields, one, is_counted=ProblemType.UNAUTHORIZED not in kinds
            ),
            "content": {
                MEDIA_TYPE: {
                    "schema": self._schemas.reference(Problem, "serialization"),
                    "examples": {kind.value: {"value": _example(kind)} for kind in kinds},
                }
            },
        }


def problems_of(one: Operation) -> dict[int, list[ProblemType]]:
    """Return the errors of the operation by status."""
    chosen = {*one.problems, *_general_problems(one)}
    found: dict[int, list[ProblemType]] = {}
    for kind in ProblemType:
        if kind in chosen:
            found.setdefault(kind.status, []).append(kind)
    return dict(sorted(found.items()))


def list_problem_types() -> list[dict[str, Any]]:
    """Return all kinds of errors with their explanations."""
    return [
        {
            "type": TYPE_BASE + kind,
            "title": kind.sentence,
            "status": kind.status,
            "meaning": GUIDE[kind].meaning,
            "action": GUIDE[kind].action,
        }
        for kind in ProblemType
    ]


def _general_problems(one: Operation) -> Iterator[ProblemType]:
    yield ProblemType.INVALID_REQUEST
    yield ProblemType.UNAUTHORIZED
    yield ProblemType.TOO_MANY_REQUESTS
    yield ProblemType.INTERNAL_ERROR
    yield ProblemType.UNAVAILABLE
    if one.scope is not None:
        yield ProblemType.INSUFFICIENT_SCOPE
        yield ProblemType.FORBIDDEN
    if "{" in one.path:
        yield ProblemType.NOT_FOUND
    if one.query.model_fields.keys() & {"cursor"}:
        yield ProblemType.INVALID_CURSOR
    yield from _problems_of_changes(one)


def _problems_of_changes(one: Operation) -> Iterable[ProblemType]:
    if one.changes:
        yield from (ProblemType.CONFLICT, ProblemType.TOO_LARGE)
    if one.body is not None:
        yield ProblemType.UNSUPPORTED_MEDIA_TYPE
    if one.method == "POST":
        yield from (ProblemType.STILL_RUNNING, ProblemType.KEY_REUSED)
    if one.method in IF_MATCH_METHODS:
        yield ProblemType.PRECONDITION_FAILED


def _example(kind: ProblemType) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": TYPE_BASE + kind,
        "title": kind.sentence,
        "status": kind.status,
        "detail": GUIDE[kind].action,
        "request_id": "0f6d1c5b8a114d0fb7c3e8f0e0f6d1c5",
    }
    if kind is ProblemType.INVALID_REQUEST:
        document["errors"] = [{"pointer": "#/url", "detail": "This is required."}]
    return document


def _camel_case(kind: ProblemType) -> str:
    return "".join(word.capitalize() for word in kind.split("-"))
