"""Reads query and body of a request, and says what is wrong with them without repeating it."""

from collections.abc import Iterator
from typing import Any, TypeVar

import pydantic_core
from flask import Request
from pydantic import BaseModel, ValidationError

from callevents.api.v1.models import Body, Query
from callevents.api.v1.problems import ApiError, FieldError, ProblemType
from callevents.errors import InvalidError

JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})
MAX_ERRORS = 20
DETAIL = "See `errors` for what to correct. Nothing was changed."

M = TypeVar("M", bound=BaseModel)

#: Sentences for errors whose text by pydantic would be unclear.
_SENTENCES = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
}


def read_query(model: type[Query], request: Request) -> Query:
    """Return the query parameters; raises ApiError."""
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    texts = request.args.to_dict()
    if repeated or not all(_is_storable(text) for pair in texts.items() for text in pair):
        known = [f"?{name}" for name in repeated if name in model.model_fields]
        errors = [FieldError(name, "Pass it once.") for name in known]
        raise invalid("A query parameter is repeated, or is no text in UTF-8.", errors)
    return _validate(model, lambda: model.model_validate(texts), "?")


def read_body(model: type[Body] | None, request: Request) -> Body | None:
    """Return the body; None for routes without one. Raises ApiError."""
    raw = request.get_data(cache=True)
    if model is None:
        # Clients send `{}`, or a media type alone.
        if raw.strip() not in (b"", b"{}"):
            raise invalid("This request takes no body.")
        return None
    if request.mimetype not in JSON_TYPES:
        detail = "Send the body as application/json."
        raise ApiError(ProblemType.UNSUPPORTED_MEDIA_TYPE, detail)
    try:
        parsed = pydantic_core.from_json(raw, allow_inf_nan=False)
    except ValueError:
        raise invalid("The body is not valid JSON in UTF-8.") from None
    if any(not _is_storable(text) for text in _texts_in(parsed)):
        raise invalid("The body contains characters that cannot be stored, such as NUL.")
    return _validate(model, lambda: model.model_validate_json(raw), "#/")


def invalid(detail: str, errors: list[FieldError] | None = None) -> ApiError:
    """Return the error for a request that is not valid."""
    return ApiError(ProblemType.INVALID_REQUEST, detail, errors or [])


def invalid_values(error: InvalidError) -> ApiError:
    """Return the error for values that break a rule of the domain."""
    found = [
        FieldError(f"#/{escape_pointer(name)}", sentence)
        for name, sentences in error.errors.items()
        for sentence in sentences
    ]
    return invalid(DETAIL, found[:MAX_ERRORS])


def escape_pointer(name: str) -> str:
    """Return the name as a JSON pointer has it (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _validate(model: type[M], validate: Any, prefix: str) -> M:
    try:
        validated: M = validate()
    except ValidationError as error:
        found = [
            FieldError(_point(prefix, one, model), _SENTENCES.get(one["type"], one["msg"]))
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise invalid(DETAIL, found[:MAX_ERRORS]) from None
    return validated


def _point(prefix: str, error: Any, model: type[BaseModel]) -> str:
    """Return a pointer to the value. The name of an unknown field is the client's, so it is cut."""
    path = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden" and path and path[-1] not in model.model_fields:
        path = path[:-1]
    return prefix + "/".join(map(escape_pointer, path))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts_in(one)


def _is_storable(text: str) -> bool:
    """Return True if every database stores the text, and it arrived as valid UTF-8."""
    return not any(sign in "\0\ufffd" or "\ud800" <= sign <= "\udfff" for sign in text)
