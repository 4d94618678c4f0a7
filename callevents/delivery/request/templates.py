"""Bodies from templates: a text with placeholders, whose values are escaped for its content type.

In JSON, a placeholder stands between quotes, or alone with `number` or `json` as its last filter.
find_json_problem() shows that the result is valid JSON whatever the values are.
"""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from callevents.delivery.request.filters import to_json
from callevents.delivery.request.placeholders import (
    Context,
    Placeholder,
    compile_text,
    find_placeholders,
)

#: Longer bodies are not sent.
MAX_BODY_LENGTH = 1_000_000

#: Line breaks and other control characters, which would forge lines of a text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: Characters that XML 1.0 cannot have at all.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)
_LINE_BREAK = re.compile(r"[\r\n]+")
_WORD = re.compile(r"[a-z0-9]+")


class Place(StrEnum):
    """The kind of a body, which decides how values are escaped in it."""

    JSON = "json"
    FORM = "form"
    XML = "xml"
    TEXT = "text"


def place_of(content_type: str) -> Place:
    """Return the kind of a body with the content type."""
    name = content_type.partition(";")[0].strip().lower()
    # Receivers also read `text/json` and others as JSON.
    if "json" in _WORD.findall(name):
        return Place.JSON
    if name == "application/x-www-form-urlencoded":
        return Place.FORM
    if name in {"application/xml", "text/xml", "text/html"} or name.endswith("+xml"):
        return Place.XML
    return Place.TEXT


def fill_body(text: str, content_type: str, context: Context) -> str:
    """Return the body: the template with its placeholders replaced."""
    place = place_of(content_type)
    if place is Place.JSON:
        return "".join(
            [
                part if isinstance(part, str) else _fill_json(part, is_quoted, context)
                for part, is_quoted in _compile_json(text)
            ]
        )
    escape = _ESCAPES[place]
    if place is Place.FORM:
        text = _join_lines(text)
    return "".join(
        [
            part if isinstance(part, str) else escape(part.fill(context))
            for part in compile_text(text)
        ]
    )


@lru_cache(maxsize=256)
def _join_lines(text: str) -> str:
    """Return a form that is written on several lines as one."""
    # A regular expression for the blanks around line breaks takes seconds for many blanks.
    return "".join(line.strip(" \t") for line in _LINE_BREAK.split(text.strip()))


def find_json_problem(text: str) -> str:
    """Return why the template would not be valid JSON for all values, empty if it is.

    Between quotes a value becomes characters of the string, which are valid wherever a letter is.
    Elsewhere it becomes a whole value, which is valid if both a number and null are.
    """
    for part, is_quoted in _compile_json(text):
        if isinstance(part, Placeholder) and (problem := _find_place_problem(part, is_quoted)):
            return f"Line {_line(text, part.start)}: {part.source} {problem}"
    for value in ("0", "null"):
        try:
            json.loads(
                _mark(text, value), object_pairs_hook=_check_names, parse_constant=_refuse_constant
            )
        except _TemplateError as error:
            return str(error)
        except json.JSONDecodeError as error:
            return _explain(text, error)
        except RecursionError:
            return "The template is nested too deeply."
        except ValueError:
            return "A number is too long."
    return ""


def _find_place_problem(placeholder: Placeholder, is_quoted: bool) -> str:
    if is_quoted:
        if placeholder.last_filter == "json":
            return "has quotes of its own. Remove the quotes around it, or the filter json."
        return ""
    if placeholder.last_filter in {"number", "json"}:
        return ""
    return (
        "stands without quotes. Put it between quotes, or add the filter number or json at its end."
    )


@lru_cache(maxsize=1024)
def _compile_json(text: str) -> tuple[tuple[str | Placeholder, bool], ...]:
    """Return the parts of a template, and whether each begins within a string."""
    is_quoted = False
    parts: list[tuple[str | Placeholder, bool]] = []
    for part in compile_text(text):
        parts.append((part, is_quoted))
        if isinstance(part, str):
            is_quoted = _ends_quoted(part, is_quoted)
    return tuple(parts)


def _ends_quoted(text: str, is_quoted: bool) -> bool:
    strings = _STRING.finditer('"' + text if is_quoted else text)
    return any(not found[2] for found in strings)


def _fill_json(placeholder: Placeholder, is_quoted: bool, context: Context) -> str:
    value = placeholder.fill(context)
    if is_quoted:
        return to_json(value)[1:-1]
    if placeholder.name in context.masked:
        return to_json(value)
    return value or "null"


#: Stands for a value between quotes while a template is checked.
_MARK = "\N{OBJECT REPLACEMENT CHARACTER}"


def _mark(text: str, value: str) -> str:
    """Return the template with marks between quotes, and the value elsewhere."""
    return "".join(
        part if isinstance(part, str) else _MARK if is_quoted else value
        for part, is_quoted in _compile_json(text)
    )


class _TemplateError(ValueError):
    """The template would not be valid JSON; the text says why."""


def _refuse_constant(name: str) -> None:
    # Python reads it, others do not.
    raise _TemplateError(f"{name} is not valid JSON. Write null, or a text between quotes.")


def _check_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, _value in pairs:
        if _MARK in name:
            raise _TemplateError(
                f"The name {name.replace(_MARK, '{…}')!r} of a field has a placeholder. Only "
                "values can have them."
            )
    return dict(pairs)


def _explain(text: str, error: json.JSONDecodeError) -> str:
    here = [one for one in find_placeholders(text) if _line(text, one.start) == error.lineno]
    where = f", near {here[0].source}" if here else ""
    return f"Not valid JSON in line {error.lineno}{where}: {error.msg}."


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _to_xml(value: str) -> str:
    return re.sub("""[&<>"']""", lambda found: _XML[found[0]], _NOT_XML.sub("", value))


_ESCAPES: dict[Place, Callable[[str], str]] = {
    Place.FORM: lambda value: quote(value, safe=""),
    Place.XML: _to_xml,
    Place.TEXT: lambda value: _CONTROL.sub(" ", value),
}
