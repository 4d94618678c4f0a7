"""Reads the JSON object of a request's body."""

import json
from typing import Any, NoReturn

from flask import Request

from callevents.api.payload import decode, read_raw
from callevents.api.problems import ProblemError
from callevents.api.uapi.errors import UapiError


class _RefusedError(ValueError):
    """The text is JSON, and still refused; the message says why."""


def read_object(request: Request) -> dict[str, Any]:
    """Return the object, whatever the content type says; raises UapiError."""
    if request.content_encoding not in (None, "", "identity"):
        raise _invalid("Compressed bodies are not supported. Send the body uncompressed.")
    try:
        text = decode(read_raw(request))
    except ProblemError as error:
        raise _invalid(error.detail) from None
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _invalid(
            f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}. "
            "Send a JSON object."
        ) from None
    except _RefusedError as error:
        raise _invalid(str(error)) from None
    except (ValueError, RecursionError):
        raise _invalid("The JSON is nested too deeply, or has a huge number.") from None
    if not isinstance(found, dict):
        raise _invalid("The body must be a JSON object.")
    return found


def _invalid(message: str) -> UapiError:
    return UapiError("request_invalid", message)


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RefusedError("The body has a field twice.")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise _RefusedError("NaN and Infinity are not JSON.")


_DECODER = json.JSONDecoder(object_pairs_hook=_read_pairs, parse_constant=_refuse_constant)
