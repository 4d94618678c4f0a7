"""Checks of a hook's value maps, and of the values that it keeps from answers."""

import re
from collections.abc import Iterator, Mapping

from callevents.db.models import MAX_ANSWER_NAME_LENGTH
from callevents.delivery.json_pointer import MAX_POINTER_LENGTH, is_pointer
from callevents.delivery.request.option_texts import Maps
from callevents.errors import InvalidError
from callevents.hooks.options import Answers

MAX_MAPS = 20
MAX_MAP_VALUES = 200
MAX_MAP_VALUE_LENGTH = 500
MAX_ANSWERS = 10
MAX_MAP_NAME_LENGTH = 40

_MAP_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{MAX_MAP_NAME_LENGTH - 1}}}", re.ASCII)
_ANSWER_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_ANSWER_NAME_LENGTH - 1}}}", re.ASCII)


def check_value_maps(maps: Maps) -> None:
    """Raise InvalidError about `value_maps` for maps that could not be shown as lines."""
    for message in _map_problems(maps):
        raise InvalidError.of("value_maps", message)


def check_answers(answers: Answers, *, has_receiver: bool) -> None:
    """Raise InvalidError about `answers` for an invalid name or pointer."""
    if answers.pointers and not has_receiver:
        raise InvalidError.of("answers", "Only a request of a receiver can keep values.")
    for message in _answer_problems(answers.pointers):
        raise InvalidError.of("answers", message)


def _map_problems(maps: Maps) -> Iterator[str]:
    if len(maps) > MAX_MAPS:
        yield f"At most {MAX_MAPS} maps (got {len(maps)})."
    if (count := sum(map(len, maps.values()))) > MAX_MAP_VALUES:
        yield f"At most {MAX_MAP_VALUES} values in all maps together (got {count})."
    for name, values in maps.items():
        if not _MAP_NAME.fullmatch(name):
            yield _name_problem(name, "letters, digits, _ and -", MAX_MAP_NAME_LENGTH)
        for value, replacement in values.items():
            if not value or "=" in value or _is_unfit(value):
                yield f"The map {name} has a value that cannot be used: {value[:40]!r}."
            if _is_unfit(replacement):
                yield f"The map {name} replaces {value[:40]} with a text that cannot be used."


def _answer_problems(pointers: Mapping[str, str]) -> Iterator[str]:
    if len(pointers) > MAX_ANSWERS:
        yield f"Keep at most {MAX_ANSWERS} values (got {len(pointers)})."
    for name, pointer in pointers.items():
        if not _ANSWER_NAME.fullmatch(name):
            yield _name_problem(name, "letters, digits and _", MAX_ANSWER_NAME_LENGTH)
        if len(pointer) > MAX_POINTER_LENGTH:
            yield f"The pointer of {name} must be at most {MAX_POINTER_LENGTH} characters."
        # The whole answer is no value.
        if _is_unfit(pointer) or not pointer or not is_pointer(pointer):
            yield f"The pointer of {name} must be a JSON pointer, such as /result/id."


def _name_problem(name: str, characters: str, max_length: int) -> str:
    return (
        f"The name {name[:60]!r} cannot be used: begin with a letter, and use {characters} only, "
        f"at most {max_length} characters."
    )


def _is_unfit(text: str) -> bool:
    """Return True if a line cannot show the text."""
    return len(text) > MAX_MAP_VALUE_LENGTH or text != text.strip() or not text.isprintable()
