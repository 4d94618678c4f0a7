"""The document as text: JSON or YAML."""

import json
from collections.abc import Callable
from typing import Any

import yaml
from pydantic import ValidationError

from callevents.errors import InvalidError
from callevents.operations.configuration.changes import DocumentError
from callevents.operations.configuration.document import Document, SealedDocument
from callevents.validation import explain_error

MAX_ERRORS = 20
#: More than any document has.
MAX_DEPTH = 20
#: Texts, lists and objects. More take seconds to read.
MAX_NODES = 150_000
#: Longer texts are no numbers of a document. YAML 1.1 takes `1:30` for 90, and computing a long one
#: would take minutes.
MAX_NUMBER_LENGTH = 40
TAG = "tag:yaml.org,2002:"
#: Those of libyaml where there is one: it is ten times as fast.
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


def parse(text: str) -> SealedDocument:
    """Return the document of a text in YAML, of which JSON is a part; raises InvalidError."""
    return validate(load_yaml(text))


def load_yaml(text: str) -> Any:
    """Return the values of a text in YAML; raises InvalidError about `document`."""
    try:
        _check_structure(text)
        return yaml.load(text, _Loader)  # noqa: S506  # a safe one
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidError.of(
            "document", f"This is no valid YAML or JSON{_place(error)}."
        ) from None


def validate(values: Any) -> SealedDocument:
    """Return the document with these values; raises DocumentError."""
    try:
        # By way of JSON, where texts stand for enumerations.
        return SealedDocument.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise DocumentError(_messages(error)) from None


class _Loader(LOADER):  # type: ignore[misc,valid-type]  # one of two
    """Reads what JSON has too: no dates or sets, no huge numbers, no name twice in one object."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Return the object; raises YAMLError if the last one of two equal names would win."""
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            raise _error("a name is given twice", node)
        return found


def _error(problem: str, node: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _short(construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the function that reads a short value; raises YAMLError for any other."""

    def read(loader: Any, node: Any) -> Any:
        if len(node.value) > MAX_NUMBER_LENGTH:
            raise _error("a number is too long", node)
        try:
            return construct(loader, node)
        except (ValueError, LookupError, ArithmeticError):
            raise _error("not a value of this kind", node) from None

    return read


_CONSTRUCTORS = yaml.constructor.SafeConstructor
_Loader.yaml_constructors = {
    TAG + "null": _CONSTRUCTORS.construct_yaml_null,
    TAG + "bool": _short(_CONSTRUCTORS.construct_yaml_bool),
    TAG + "int": _short(_CONSTRUCTORS.construct_yaml_int),
    TAG + "float": _short(_CONSTRUCTORS.construct_yaml_float),
    TAG + "str": _CONSTRUCTORS.construct_yaml_str,
    # A date is no text, and no document has one.
    TAG + "timestamp": _CONSTRUCTORS.construct_yaml_null,
    TAG + "seq": _CONSTRUCTORS.construct_yaml_seq,
    TAG + "map": _CONSTRUCTORS.construct_yaml_map,
    None: _CONSTRUCTORS.construct_undefined,
}


def _check_structure(text: str) -> None:
    """Raise YAMLError for aliases, which could stand for more than fits, and for depth and size."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, LOADER)):
        if number > MAX_NODES:
            raise yaml.YAMLError("too large")
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
