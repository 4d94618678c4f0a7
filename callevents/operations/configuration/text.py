"""The document as text: JSON or YAML."""

import json
from typing import Any

import yaml
from pydantic import ValidationError

from callevents.errors import InvalidError
from callevents.operations.configuration.changes import DocumentError
from callevents.operations.configuration.document import Document
from callevents.validation import explain_error

MAX_ERRORS = 20
#: More than any document has.
MAX_DEPTH = 20
#: That of libyaml where there is one: it is ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def to_json(document: Document) -> str:
    """Return the document as JSON."""
    return document.model_dump_json(indent=2)


def to_yaml(document: Document) -> str:
    """Return the document as YAML."""
    text: str = yaml.dump(
        document.model_dump(mode="json"),
        Dumper=DUMPER,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return text


def parse(text: str) -> Document:
    """Return the document of a text in YAML, of which JSON is a part; raises InvalidError."""
    return validate(load_yaml(text))


def load_yaml(text: str) -> Any:
    """Return the values of a text in YAML; raises InvalidError about `document`."""
    try:
        _check_structure(text)
        return yaml.load(text, LOADER)  # noqa: S506  # a safe one
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidError.of(
            "document", f"This is no valid YAML or JSON{_place(error)}."
        ) from None


def validate(values: Any) -> Document:
    """Return the document with these values; raises DocumentError."""
    try:
        # By way of JSON, where texts stand for enumerations. YAML's dates are no texts.
        return Document.model_validate_json(json.dumps(values, default=lambda _value: None))
    except ValidationError as error:
        raise DocumentError(_messages(error)) from None


def _check_structure(text: str) -> None:
    """Raise YAMLError for aliases, which could stand for more than fits into memory, and depth."""
    depth = 0
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise yaml.YAMLError("too deep")


def _messages(error: ValidationError) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        place = "/".join(map(str, one["loc"])) or "document"
        found.setdefault(place, []).append(explain_error(one))
    return dict(list(found.items())[:MAX_ERRORS])


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f": see line {mark.line + 1}" if mark is not None else ""
