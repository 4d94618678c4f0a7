"""The OpenAPI 3.1 document, made from the registered operations."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from callevents.api.problems import MEDIA_TYPE
from callevents.api.v1.models import Answer
from callevents.api.v1.operations import PATH_PARAMETERS, PREFIX, REGISTRY, Operation
from callevents.api.v1.problems import ProblemType

VERSION = "1.0.0"
REF = "#/components/schemas/{model}"


class ProblemField(Answer):
    """What is wrong with one value."""

    pointer: str = Field(
        description="A JSON pointer into the body, such as `#/url`; or `?name` for a parameter."
    )
    detail: str


class Problem(Answer):
    """An error (RFC 9457)."""

    type: str = Field(description="What kind of error it is; the address of its explanation.")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="Quote it when you report the error.")
    errors: list[ProblemField] | None = None


def make_document() -> dict[str, Any]:
    """Return the document as a JSON object."""
    operations = REGISTRY.operations
    models = list(dict.fromkeys(_models_of(operations)))
    _names, schemas = models_json_schema(models, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _describe(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Call Events",
            "version": VERSION,
            "summary": "Manage PBXs, requests and deliveries of Call Events.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _models_of(operations: Iterable[Operation]) -> Iterable[tuple[type[BaseModel], Any]]:
    yield Problem, "serialization"
    for one in operations:
        if one.body is not None:
            yield one.body, "validation"
        if one.answer is not None:
            yield one.answer, "serialization"


def _describe(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "description": one.description,
        "tags": [one.tag],
        "parameters": [*_path_parameters(one), *_query_parameters(one)],
        "responses": _responses(one),
    }
    if one.scope is not None:
        found["security"] = [{"token": []}]
        found["x-scope"] = one.scope.value
    if one.body is not None:
        content: dict[str, Any] = {"schema": _ref(one.body)}
        if one.body_example is not None:
            content["example"] = one.body_example
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    if one.deprecated_at is not None:
        found["deprecated"] = True
    return found


def _path_parameters(one: Operation) -> list[dict[str, Any]]:
    found = []
    for name in re.findall(r"\{(\w+)\}", one.path):
        text, example = PATH_PARAMETERS[name]
        found.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
                "example": example,
            }
        )
    return found


def _query_parameters(one: Operation) -> list[dict[str, Any]]:
    schema = one.query.model_json_schema(ref_template=REF)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": facts.get("description", ""),
            "schema": {key: value for key, value in facts.items() if key != "description"},
        }
        for name, facts in schema.get("properties", {}).items()
    ]


def _responses(one: Operation) -> dict[str, Any]:
    done: dict[str, Any] = {"description": HTTPStatus(one.status).phrase}
    if one.answer is not None:
        content: dict[str, Any] = {"schema": _ref(one.answer)}
        if one.answer_example is not None:
            content["example"] = one.answer_example
        done["content"] = {"application/json": content}
    found: dict[str, Any] = {str(one.status): done}
    if one.may_create:
        found["201"] = done | {"description": HTTPStatus.CREATED.phrase}
    by_status: dict[int, list[ProblemType]] = {}
    for problem in _problems_of(one):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in sorted(by_status.items()):
        found[str(status)] = {
            "description": " ".join(problem.sentence for problem in problems),
            "content": {MEDIA_TYPE: {"schema": _ref(Problem)}},
        }
    return found


def _problems_of(one: Operation) -> Iterable[ProblemType]:
    yield from one.problems
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


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}
