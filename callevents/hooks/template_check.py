"""Checks of a hook's body template, and of the value maps that its placeholders use."""

import re
from collections.abc import Iterator, Mapping

from callevents.delivery.request.placeholders import (
    MAX_TEXT_LENGTH,
    Placeholder,
    find_placeholders,
    find_problem,
    suggest,
)
from callevents.delivery.request.templates import Place, find_json_problem, place_of
from callevents.enums import BodyFormat
from callevents.errors import InvalidError
from callevents.hooks.options import BodyTemplate, HookOptions
from callevents.validation import check_all

MAX_CONTENT_TYPE_LENGTH = 100

#: RFC 9110, section 8.3.1, with values of parameters that need no quotes.
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_CONTENT_TYPE = re.compile(rf"{_WORD}/{_WORD}(?: *; *{_WORD}={_WORD})*")
#: Control characters other than tabs and line breaks, and halves of characters.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def check_template(options: HookOptions, url: str) -> None:
    """Raise InvalidError about `content_type`, `body_template`, and what names an unknown map.

    A template that is not used, because the body has another format, may be anything short enough.
    """
    check_all(
        lambda: _check_content_type(options.body_template.content_type),
        lambda: _check_text(options.body_template, options.body_format),
        lambda: _check_maps(options, url),
    )


def _check_content_type(content_type: str) -> None:
    if not content_type:
        return
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH or not _CONTENT_TYPE.fullmatch(content_type):
        raise InvalidError.of(
            "content_type",
            f"Enter a content type of at most {MAX_CONTENT_TYPE_LENGTH} characters, for example "
            "application/json or text/plain.",
        )
    if content_type.lower().startswith("multipart/"):
        raise InvalidError.of(
            "content_type",
            "A body cannot have several parts. Use application/json or another type.",
        )


def _check_text(template: BodyTemplate, body_format: BodyFormat) -> None:
    is_used = body_format is BodyFormat.TEMPLATE
    if problem := _find_text_problem(template, is_used=is_used):
        raise InvalidError.of("body_template", problem)


def _find_text_problem(template: BodyTemplate, *, is_used: bool) -> str:
    text = template.text
    if len(text) > MAX_TEXT_LENGTH:
        return f"Must be at most {MAX_TEXT_LENGTH:,} characters (got {len(text):,})."
    if found := _UNFIT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        return f"Line {line}: Must not contain the control character {found[0]!a}."
    if not is_used:
        return ""
    if not text.strip():
        return "Enter the template of the body."
    if problem := _find_placeholder_problem(text):
        return problem
    is_json = place_of(template.content_type or "application/json") is Place.JSON
    return find_json_problem(text) if is_json else ""


def _find_placeholder_problem(text: str) -> str:
    """Return the first problem with its line. A placeholder is within one line."""
    for number, line in enumerate(text.split("\n"), start=1):
        if problem := find_problem(line):
            return f"Line {number}: {problem}"
    return find_problem(text)


def _check_maps(options: HookOptions, url: str) -> None:
    for field, text in _texts(options, url):
        for placeholder in find_placeholders(text):
            if problem := _find_map_problem(placeholder, options.value_maps):
                raise InvalidError.of(field, problem)


def _texts(options: HookOptions, url: str) -> Iterator[tuple[str, str]]:
    """Yield the fields with placeholders, except kept values of headers."""
    yield "url", url
    if options.body_format is BodyFormat.TEMPLATE:
        yield "body_template", options.body_template.text
    for number, header in enumerate(options.headers, start=1):
        yield f"header {number}", header.value or ""


def _find_map_problem(placeholder: Placeholder, maps: Mapping[str, object]) -> str:
    for name, argument in placeholder.steps:
        if name == "map" and argument not in maps:
            known = f"There are: {', '.join(maps)}." if maps else "Add it to the value maps."
            hint = suggest(argument, maps)
            return " ".join(
                filter(None, (f"{placeholder.source} has an unknown value map.", hint, known))
            )
    return ""
