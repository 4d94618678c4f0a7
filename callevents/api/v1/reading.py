"""Reads query and body of a request, and says what is wrong with them without repeating it."""

import json
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import pydantic_core
from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from callevents.api.v1.models import Body, Query
from callevents.api.v1.problems import ApiError, FieldError, ProblemType
from callevents.api.v1.sent import field_names, leave_out, schema_of, texts_in
from callevents.errors import InvalidError
from callevents.operations.configuration.text import load_yaml
from callevents.validation import explain_error

JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})
YAML = "application/yaml"
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", ""})
MAX_ERRORS = 20
#: Floating point numbers up to this one have all integers.
MAX_EXACT = 2**53
#: A body of 1 MiB may have 700,000 errors, and listing these takes many seconds.
MAX_LISTED_ERRORS = 2000
DETAIL = "See `errors` for what to correct. Nothing was changed."

M = TypeVar("M", bound=BaseModel)


def read_query(model: type[Query], request: Request) -> Query:
    """Return the query parameters; raises ApiError."""
    repeated = [name for name, values in request.args.lists() if len(values) > 1]
    texts = request.args.to_dict()
    if repeated:
        known = [
            FieldError(f"?{name}", "Pass it once.")
            for name in repeated
            if name in field_names(model)
        ]
        raise invalid("Each query parameter may be passed once.", known)
    if not (_is_utf8(request.query_string) and all(map(is_storable, (*texts, *texts.values())))):
        raise invalid("The query must be text in UTF-8, without NUL.")
    return _validate(model, lambda: model.model_validate(texts), "?")


def read_body(
    model: type[Body] | None, request: Request, more_types: Collection[str] = ()
) -> Body | None:
    """Return the body; None for routes without one. Raises ApiError.

    `more_types`: accepted media types besides JSON. The only one is YAML.
    """
    if model is None:
        _refuse_body(request)
        return None
    raw = request.get_data(cache=True)
    _check_media_type(request, more_types)
    if request.mimetype in more_types:
        raw = _yaml_to_json(raw)
    text = normalize(raw)
    return _validate(model, lambda: model.model_validate_json(text), "#/")


def normalize(raw: bytes) -> str:
    """Return the JSON as every parser understands it, with integers for numbers such as 1.0.

    Raises ApiError if parsers could understand it in several ways, or if it cannot be stored.
    """
    try:
        parsed = pydantic_core.from_json(raw, allow_inf_nan=False)
        # The other parser is here for what this one passes over, after this one has limited depth.
        read = json.loads(raw, object_pairs_hook=_check_names, parse_float=_read_float)
    except ValueError as error:
        reason = str(error) if isinstance(error, _JsonError) else "It is not valid JSON in UTF-8."
        raise invalid(f"The body cannot be read. {reason}") from None
    if not all(map(is_storable, texts_in(parsed))):
        raise invalid("The body contains characters that cannot be stored, such as NUL.")
    return json.dumps(read)


def invalid(detail: str, errors: list[FieldError] | None = None) -> ApiError:
    """Return the error for a request that is not valid."""
    return ApiError(ProblemType.INVALID_REQUEST, detail, errors or [])


def invalid_value(pointer: str, detail: str) -> ApiError:
    """Return the error for one value, to which `pointer` points as that of FieldError does."""
    return invalid(DETAIL, [FieldError(pointer, detail)])


def invalid_values(error: InvalidError, sent: Iterable[str] = ()) -> ApiError:
    """Return the error for values that break a rule of the domain.

    `sent`: the texts of the request, which the sentences must not repeat.
    """
    texts = list(sent)
    found = [
        FieldError(f"#/{escape_pointer(name)}", leave_out(sentence, texts))
        for name, sentence in first_messages(error)
    ]
    return invalid(DETAIL, found)


def first_messages(error: InvalidError) -> list[tuple[str, str]]:
    """Return MAX_ERRORS fields and messages at most: hiding what was sent in each takes a while."""
    pairs = ((name, text) for name, texts in error.errors.items() for text in texts)
    return list(islice(pairs, MAX_ERRORS))


def escape_pointer(name: str) -> str:
    """Return the name as a JSON pointer has it (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def is_storable(text: str) -> bool:
    """Return True if every database stores the text."""
    return not any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in text)


def _is_utf8(query: bytes) -> bool:
    """Return True if the query is UTF-8. Werkzeug leaves other bytes percent-encoded."""
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return True


class _JsonError(ValueError):
    """The body is JSON that may be understood in several ways."""


def _refuse_body(request: Request) -> None:
    """Raise ApiError if there is a body, other than the `{}` that some clients always send."""
    try:
        raw = request.get_data(cache=True)
    except RequestEntityTooLarge:
        raw = b"too large"
    if raw.strip() not in (b"", b"{}"):
        raise invalid("Send this request without a body.")


def _yaml_to_json(raw: bytes) -> bytes:
    try:
        return json.dumps(load_yaml(raw.decode())).encode()
    except (InvalidError, UnicodeDecodeError, TypeError):
        raise invalid("The body is not valid YAML in UTF-8, without aliases.") from None


def _check_media_type(request: Request, more_types: Collection[str]) -> None:
    problem = ""
    if request.mimetype not in {*JSON_TYPES, *more_types}:
        problem = "Send the body as application/json."
    elif request.mimetype_params.get("charset", "").lower() not in CHARSETS:
        problem = "Send the body in UTF-8."
    elif request.headers.get("Content-Encoding", "identity").lower() != "identity":
        problem = "Send the body without a Content-Encoding."
    if problem:
        raise ApiError(ProblemType.UNSUPPORTED_MEDIA_TYPE, problem)


def _check_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _JsonError("An object has two fields of the same name.")
    return found


def _read_float(text: str) -> float | int:
    """Return the number; 1.0 is an integer in JSON Schema."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _JsonError("A number is too large.")
    return int(value) if value.is_integer() and abs(value) < MAX_EXACT else value


def _validate(model: type[M], validate: Any, prefix: str) -> M:
    try:
        validated: M = validate()
    except ValidationError as error:
        raise invalid(DETAIL, _list_errors(error, model, prefix)) from None
    return validated


def _list_errors(error: ValidationError, model: type[BaseModel], prefix: str) -> list[FieldError]:
    """Return what is wrong, MAX_ERRORS at most."""
    if (count := error.error_count()) > MAX_LISTED_ERRORS:
        return [FieldError(prefix, f"Here are {count:,} errors: too many to list.")]
    listed = error.errors(include_url=False, include_input=False, include_context=False)
    found = [FieldError(_point(prefix, one, model), _explain(one, model, prefix)) for one in listed]
    return list(dict.fromkeys(found))[:MAX_ERRORS]


def _explain(error: Any, model: type[BaseModel], prefix: str) -> str:
    if error["type"] != "extra_forbidden":
        return explain_error(error)
    known = ", ".join(_fields_at(model, error["loc"][:-1]))
    kind = "parameter" if prefix == "?" else "field"
    return f"There is no such {kind}. There are: {known}." if known else "There are none."


def _fields_at(model: type[BaseModel], path: Iterable[str | int]) -> Iterable[str]:
    """Return the names of the fields of the object at that place in the model."""
    root = schema_of(model)
    place = root
    for part in path:
        inner = place["items"] if isinstance(part, int) else place["properties"][part]
        place = _without_null(inner)
        if "$ref" in place:
            place = root["$defs"][place["$ref"].rpartition("/")[2]]
    return list(place.get("properties", ()))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("anyOf", [schema])
    return next(one for one in kinds if one.get("type") != "null")


def _point(prefix: str, error: Any, model: type[BaseModel]) -> str:
    """Return a pointer to the value, up to the first name that is not ours but the client's."""
    path = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    known = []
    for part in path:
        if not isinstance(part, int) and part not in field_names(model):
            break
        known.append(escape_pointer(str(part)))
    return prefix + "/".join(known)
