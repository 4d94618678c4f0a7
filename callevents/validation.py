"""Checks of text that users enter."""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import ErrorDetails

from callevents.enums import TABLE_ORDER
from callevents.errors import InvalidError

MAX_NAME_LENGTH = 100
MAX_SLUG_LENGTH = 48

#: Sentences for errors whose text by pydantic would be unclear, or would repeat the value.
_SENTENCES: Mapping[str, str] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field.",
    "union_tag_invalid": "Must be one of the documented kinds.",
    "json_invalid": "Must be valid JSON.",
}
_EVENTS = [event.slug for event in TABLE_ORDER]
_SUBJECT = re.compile(r"^\w+ should (?=be|have|match|contain)")


def explain_error(error: ErrorDetails) -> str:
    """Return an error of pydantic as a sentence of ours."""
    text = error["msg"].removeprefix("Value error, ")
    sentence = _SENTENCES.get(error["type"]) or _SUBJECT.sub("Must ", text)
    return sentence[:1].upper() + sentence[1:].removesuffix(".") + "."


def check_name(name: str, *, field: str = "name") -> str:
    """Return the name, stripped; raises InvalidError about `field`."""
    name = name.strip()
    if not name:
        raise InvalidError.of(field, "Enter a name.")
    return check_text(name, field=field, max_length=MAX_NAME_LENGTH)


def check_text(text: str, *, field: str, max_length: int) -> str:
    """Return the text if it is short enough and printable; raises InvalidError about `field`."""
    if len(text) > max_length:
        raise InvalidError.of(field, f"Must be at most {max_length} characters (got {len(text)}).")
    if not text.isprintable():
        raise InvalidError.of(field, "Must not contain control characters.")
    return text


def _check_event(value: str) -> str:
    if value not in _EVENTS:
        raise ValueError(f"There is no such event. Use one of: {', '.join(_EVENTS)}.")
    return value


#: The name of an event type, in models.
EventName = Annotated[
    str, AfterValidator(_check_event), WithJsonSchema({"type": "string", "enum": _EVENTS})
]


def check_all(*checks: Callable[[], object]) -> None:
    """Run all checks; raise one InvalidError about all fields that are invalid."""
    if errors := find_errors(*checks):
        raise InvalidError(errors)


def find_errors(*checks: Callable[[], object]) -> dict[str, list[str]]:
    """Run all checks; return the messages of all fields that are invalid."""
    errors: dict[str, list[str]] = {}
    for check in checks:
        try:
            check()
        except InvalidError as error:
            for field, messages in error.errors.items():
                errors.setdefault(field, []).extend(messages)
    return errors


def make_slug(name: str, taken: Collection[str], *, default: str) -> str:
    """Return a short name for addresses and commands that follows from the name and is not taken.

    `default`: of a name without letters and digits that addresses can have.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_SLUG_LENGTH].strip("-") or default
    candidate, number = slug, 2
    while candidate in taken:
        candidate, number = f"{slug}-{number}", number + 1
    return candidate
