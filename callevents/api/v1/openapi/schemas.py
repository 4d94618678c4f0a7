"""The schemas of bodies, answers and query parameters, made from their models."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import Operation
from callevents.api.v1.problem_models import Problem, ProblemField

REF = "#/components/schemas/{model}"

Mode = Literal["validation", "serialization"]
_PAGE = re.compile(r"^Page\[(\w+)\]")


class _Generator(GenerateJsonSchema):
    """Names pages after their objects, and leaves out titles that only repeat names of fields."""

    def normalize_name(self, name: str) -> str:
        """Return the name of a component, such as HookPage."""
        return super().normalize_name(_PAGE.sub(r"\1Page", name))

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's name
        """Return False."""
        return False


class Schemas:
    """The schemas of all operations; those of models are components."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        models = list(dict.fromkeys(_models_of(operations)))
        self._references, found = models_json_schema(
            models, ref_template=REF, schema_generator=_Generator
        )
        self.components: dict[str, Any] = found.get("$defs", {})
        _complete(self.components["Problem"])

    def reference(self, model: type[BaseModel], mode: Mode) -> dict[str, Any]:
        """Return the reference to the schema of a body ('validation') or an answer."""
        return dict(self._references[model, mode])

    def parameters(self, model: type[BaseModel]) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Yield name, schema, and True if it is required, of each query parameter."""
        if model is NoQuery:
            return
        name = self._references[model, "validation"]["$ref"].rpartition("/")[2]
        schema = self.components[name]
        for field, facts in schema.get("properties", {}).items():
            yield field, _without_null(facts), field in schema.get("required", ())


def _models_of(operations: Iterable[Operation]) -> Iterator[tuple[type[BaseModel], Mode]]:
    yield Problem, "serialization"
    yield ProblemField, "serialization"
    for one in operations:
        if one.body is not None:
            yield one.body, "validation"
        if one.answer is not None:
            yield one.answer, "serialization"
        if one.query is not NoQuery:
            yield one.query, "validation"


def _complete(problem: dict[str, Any]) -> None:
    """Add the fields that not all problems have."""
    problem["properties"] |= {
        "request_id": {
            "type": "string",
            "description": "Quote it when you report the error; the log has it. Missing only if "
            "the server refuses a request before it reads it.",
        },
        "errors": {
            "type": "array",
            "items": {"$ref": REF.format(model="ProblemField")},
            "description": "The values to correct.",
        },
    }


def _without_null(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is left out instead of being null."""
    kept = dict(facts)
    if kept.get("default", "") is None:
        del kept["default"]
    options = [one for one in kept.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        kept |= {name: value for name, value in options[0].items() if name not in kept}
    return kept
