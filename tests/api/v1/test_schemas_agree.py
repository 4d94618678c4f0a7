"""The schemas of the document and the models of the code agree on what is valid."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from flask import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from schemathesis.generation import GenerationMode
from werkzeug.test import EnvironBuilder

from callevents.api.v1.documents import api_document
from callevents.api.v1.operations import PREFIX, REGISTRY, Operation
from callevents.api.v1.problems import ApiError
from callevents.api.v1.reading import normalize, read_body
from callevents.api.v1.sent import texts_in

pytestmark = pytest.mark.slow

#: Objects whose names the client chooses.
ANY_NAMES = {"value_maps", "answers"}
WITH_BODY = [one for one in REGISTRY.operations if one.body is not None]
#: Errors that follow from a rule which no schema has: between several values, or of a language.
RULES = {"value_error", "pattern"}


@cache
def load() -> Any:
    """Return the document as Schemathesis has it."""
    return schemathesis.openapi.from_dict(api_document())


def strategy_of(one: Operation, mode: GenerationMode) -> st.SearchStrategy[Any]:
    """Return the strategy of requests for the operation."""
    strategy: st.SearchStrategy[Any] = load()[PREFIX + one.path][one.method].as_strategy(
        generation_mode=mode
    )
    return strategy


def errors_of(one: Operation, body: Any) -> Iterator[dict[str, Any]]:
    """Yield what the model finds wrong, other than rules between values."""
    assert one.body is not None
    try:
        one.body.model_validate_json(normalize(json.dumps(body).encode()))
    except ValidationError as error:
        yield from (dict(found) for found in error.errors() if found["type"] not in RULES)


@pytest.mark.parametrize("one", WITH_BODY, ids=lambda one: one.id)
def test_what_the_schema_allows_is_valid(one: Operation) -> None:
    """A body that suits the schema has no value of a wrong kind."""

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy_of(one, GenerationMode.POSITIVE))
    def check(case: Any) -> None:
        if all("\0" not in text for text in texts_in(case.body)):
            assert list(errors_of(one, case.body)) == []

    check()


def with_unknown(value: Any) -> Iterator[Any]:
    """Yield the value once for each object in it, with an unknown field in that object."""
    if isinstance(value, dict):
        yield {**value, "unknown": 1}
        for name, one in value.items():
            if name in ANY_NAMES:
                continue
            yield from ({**value, name: changed} for changed in with_unknown(one))
    elif isinstance(value, list) and value:
        yield from ([changed, *value[1:]] for changed in with_unknown(value[0]))


@pytest.mark.parametrize("one", WITH_BODY, ids=lambda one: one.id)
def test_an_unknown_field_is_answered_with_those_that_there_are(one: Operation) -> None:
    """In every object of every body."""
    for body in with_unknown(one.body_example):
        request = Request(EnvironBuilder(method=one.method, json=body).get_environ())
        with pytest.raises(ApiError) as caught:
            read_body(one.body, request)
        details = [error.detail for error in caught.value.errors]
        assert [text.startswith("There is no such field. There are: ") for text in details] == [
            True
        ], (body, details)
