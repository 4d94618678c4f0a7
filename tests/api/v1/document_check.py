"""Checks that answers are as the OpenAPI document describes them."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.test import TestResponse

from callevents.api.v1.documents import api_document
from callevents.api.v1.operations import PREFIX, Operation


def check_documented(one: Operation, answer: TestResponse) -> None:
    """Check status, header fields, media type and body of the operation's answer."""
    document = api_document()
    replies = document["paths"][PREFIX + one.path][one.method.lower()]["responses"]
    where = f"{one.id} {answer.status_code}"
    assert str(answer.status_code) in replies, f"{where} is not documented: {answer.text}"
    reply = _resolve(replies[str(answer.status_code)])
    own = {"ETag", "Location", "Link", "Retry-After", "WWW-Authenticate", "Idempotent-Replayed"}
    undocumented = (own & set(answer.headers.keys())) - set(reply.get("headers", ()))
    assert not undocumented, f"{where} has {undocumented}"
    if "content" not in reply:
        assert answer.data == b"", where
        return
    content = reply["content"].get(answer.content_type)
    assert content is not None, f"{where} has the media type {answer.content_type}"
    if answer.is_json:
        errors = list(_validator(_key(content["schema"])).iter_errors(answer.get_json()))
        assert not errors, f"{where}: {errors[0].message} at {errors[0].json_path}"


def _resolve(one: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in one:
        return one
    found: Any = api_document()
    for part in one["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _key(schema: dict[str, Any]) -> str:
    assert set(schema) == {"$ref"}
    return str(schema["$ref"])


@cache
def _validator(reference: str) -> Draft202012Validator:
    schema = {"$ref": reference, "components": api_document()["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())
