"""The OpenAPI document as pages need it: groups of operations, fields as rows, examples."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

JSON = "application/json"
METHODS = ("get", "post", "put", "patch", "delete")
#: Objects within objects within objects are deep enough.
MAX_DEPTH = 4

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


@dataclass(frozen=True)
class Row:
    """A parameter or a field. Names of fields in other objects have the path: `data[].id`."""

    name: str
    type: str
    description: str
    is_required: bool = False
    #: Where a parameter is: path, query or header.
    place: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer: its status, what it means, header fields, fields and an example."""

    status: str
    description: str
    headers: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    example: str = ""
    #: The types of errors, for errors.
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Route:
    """An operation."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    is_deprecated: bool
    parameters: list[Row]
    body: list[Row]
    body_types: list[str]
    body_example: str
    replies: list[Reply]
    errors: list[Reply]


@dataclass(frozen=True)
class Group:
    """The operations with the same tag."""

    name: str
    description: str
    routes: list[Route]

    @property
    def slug(self) -> str:
        """The name in addresses."""
        return self.name.lower().replace(" ", "-")


class Reference:
    """Reads an OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.groups = list(self._read_groups())
        self.description: str = document["info"]["description"]
        self.problem_types: list[dict[str, Any]] = [
            {**one, "anchor": one["type"].rpartition("#")[2]} for one in document["x-problem-types"]
        ]

    def find_group(self, slug: str) -> Group | None:
        """Return the group with the name, None if there is none."""
        return next((group for group in self.groups if group.slug == slug), None)

    def _read_groups(self) -> Iterator[Group]:
        routes: dict[str, list[Route]] = {}
        for section in ("paths", "webhooks"):
            for path, methods in self._document[section].items():
                for method in METHODS:
                    if one := methods.get(method):
                        # Receivers are called at addresses of their own.
                        address = path if section == "paths" else ""
                        route = self._read_route(method, address, one)
                        routes.setdefault(one["tags"][0], []).append(route)
        for tag in self._document["tags"]:
            yield Group(tag["name"], tag["description"], routes.get(tag["name"], []))

    def _read_route(self, method: str, path: str, one: dict[str, Any]) -> Route:
        body = one.get("requestBody", {}).get("content", {})
        content: dict[str, Any] = next(iter(body.values()), {})
        replies = [self._read_reply(status, one) for status, one in one["responses"].items()]
        return Route(
            id=one["operationId"],
            method=method.upper(),
            path=path,
            summary=one["summary"],
            description=one["description"],
            scope=one.get("x-scope", ""),
            is_deprecated=one.get("deprecated", False),
            parameters=[self._read_parameter(each) for each in one.get("parameters", ())],
            body=self._rows(content.get("schema", {})),
            body_types=list(body),
            body_example=_to_json(content.get("example")),
            replies=[reply for reply in replies if not reply.problems],
            errors=[reply for reply in replies if reply.problems],
        )

    def _read_parameter(self, one: dict[str, Any]) -> Row:
        one = self._resolve(one)
        return Row(
            one["name"],
            self._type(one["schema"]),
            one["description"],
            one.get("required", False),
            one["in"],
        )

    def _read_reply(self, status: str, one: dict[str, Any]) -> Reply:
        one = self._resolve(one)
        contents: dict[str, Any] = one.get("content", {})
        media_type = next(iter(contents), "")
        content = contents.get(media_type, {})
        is_problem = media_type.startswith("application/problem")
        headers = [
            Row(name, self._type(found["schema"]), found["description"])
            for name, each in one.get("headers", {}).items()
            for found in [self._resolve(each)]
        ]
        return Reply(
            status,
            one["description"],
            headers,
            [] if is_problem else self._rows(content.get("schema", {})),
            _to_json(content.get("example")),
            list(content.get("examples", ["about:blank"])) if is_problem else [],
        )

    def _rows(self, schema: dict[str, Any], prefix: str = "", depth: int = 0) -> list[Row]:
        """Return the fields of an object, each followed by those of the objects in it."""
        schema = self._resolve(schema)
        if schema.get("type") == "array":
            return self._rows(schema["items"], f"{prefix[:-1]}[]." if prefix else "[].", depth)
        found = []
        required = schema.get("required", ())
        fields: list[tuple[str, Any]] = list(schema.get("properties", {}).items())
        for name, facts in sorted(fields, key=lambda pair: pair[0] not in required):
            is_required = name in required
            text = facts.get("description") or self._resolve(facts).get("description", "")
            found.append(Row(prefix + name, self._type(facts), text, is_required))
            if depth < MAX_DEPTH:
                inner = self._without_null(facts)
                found += self._rows(inner, f"{prefix}{name}.", depth + 1)
        return found

    def _type(self, schema: dict[str, Any]) -> str:
        """Return the type in words, such as `integer, 1 to 200`."""
        schema = self._resolve(schema)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return " or ".join(dict.fromkeys(self._type(one) for one in options))
        if known := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
            return "one of " + ", ".join(str(one) or "(empty)" for one in known)
        name = schema.get("type", "any")
        if name == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        if name == "object" and "properties" not in schema and schema.get("additionalProperties"):
            return f"object of {self._type(schema['additionalProperties'])}"
        return ", ".join([schema.get("format") or name, *_limits(schema)])

    def _without_null(self, schema: dict[str, Any]) -> dict[str, Any]:
        options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        return options[0] if len(options) == 1 else schema

    def _resolve(self, one: Any) -> dict[str, Any]:
        while isinstance(one, dict) and "$ref" in one:
            target: Any = self._document
            for part in one["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            one = target
        return dict(one) if isinstance(one, dict) else {}


def to_html(text: str) -> Markup:
    """Return a description as HTML: paragraphs, lists, code and strong text of Markdown."""
    parts = [part for part in re.split(r"\n\n+", text.strip()) if part]
    return Markup("\n").join(_block(part) for part in parts)


def _block(text: str) -> Markup:
    lines = re.split(r"\n(?=- )", text)
    if not all(line.startswith("- ") for line in lines):
        return Markup("<p>{}</p>").format(to_inline_html(text))
    items = (Markup("<li>{}</li>").format(to_inline_html(line[2:])) for line in lines)
    return Markup("<ul>{}</ul>").format(Markup("").join(items))


def to_inline_html(text: str) -> Markup:
    """Return a line as HTML: code and strong text of Markdown."""
    marked = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_STRONG.sub(r"<strong>\1</strong>", marked))  # noqa: S704  # escaped before


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        yield f"{low:,} to {high:,}"
    elif low is not None:
        yield f"at least {low:,}"
    if (longest := schema.get("maxLength")) is not None:
        yield f"at most {longest:,} characters"


def _to_json(example: Any) -> str:
    return "" if example is None else json.dumps(example, indent=2, ensure_ascii=False)
