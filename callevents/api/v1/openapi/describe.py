"""The description of one operation."""

import re
from http import HTTPStatus
from typing import Any

from callevents.api.v1.openapi.fields import (
    general_fields,
    refer_to,
    request_fields,
    success_fields,
)
from callevents.api.v1.openapi.problems import SharedResponses, problems_of
from callevents.api.v1.openapi.schemas import Schemas
from callevents.api.v1.openapi.security import security_of
from callevents.api.v1.operations import PATH_PARAMETERS, Operation

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
_DESCRIPTIONS = {
    200: "Done.",
    201: "It was created.",
    202: "It was accepted, and goes on after the answer.",
    204: "Done. There is no content.",
}


def describe_operation(
    one: Operation, schemas: Schemas, responses: SharedResponses
) -> dict[str, Any]:
    """Return the operation object."""
    found: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "description": one.description,
        "tags": [one.tag],
        "security": security_of(one),
    }
    if one.scope is not None:
        found["x-scope"] = one.scope.value
    parameters = [*_path_parameters(one), *_query_parameters(one, schemas), *request_fields(one)]
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        schema = schemas.reference(one.body, "validation")
        found["requestBody"] = {"required": True, "content": _body_content(one, schema)}
    errors = {
        str(status): responses.refer(kinds, one) for status, kinds in problems_of(one).items()
    }
    errors |= responses.refer_to_refusals()
    found["responses"] = _successes(one, schemas) | dict(sorted(errors.items()))
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
                "schema": {"type": "string", "minLength": 1},
                "example": example,
            }
        )
    return found


def _query_parameters(one: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": is_required,
            "description": facts.get("description", ""),
            "schema": {key: value for key, value in facts.items() if key != "description"},
        }
        for name, facts, is_required in schemas.parameters(one.query)
    ]


def _body_content(one: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if one.body_example is not None:
        content["example"] = one.body_example
    types = (JSON, MERGE_PATCH) if one.method == "PATCH" else (JSON, *one.body_media_types)
    return dict.fromkeys(types, content)


def _successes(one: Operation, schemas: Schemas) -> dict[str, Any]:
    done: dict[str, Any] = {
        "description": _DESCRIPTIONS.get(one.status) or HTTPStatus(one.status).phrase,
        "headers": refer_to(success_fields(one)),
    }
    if one.answer is not None:
        content: dict[str, Any] = {"schema": schemas.reference(one.answer, "serialization")}
        if one.answer_example is not None:
            content["example"] = one.answer_example
        done["content"] = dict.fromkeys((JSON, *one.more_media_types), content)
    found = {str(one.status): done}
    if one.may_create:
        headers = refer_to(["Location", *success_fields(one)])
        found["201"] = done | {"description": _DESCRIPTIONS[201], "headers": headers}
    if one.method == "GET" and one.has_etag:
        found["304"] = {
            "description": "It has not changed: you have the current version.",
            "headers": refer_to(["ETag", *general_fields(one)]),
        }
    return found
