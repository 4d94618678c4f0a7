"""Options of a hook as lines of text, in the dialog and in commands, and back.

Value maps have a line for each value: `direction: IN = in`. Answers have one for each value that is
kept: `CALL_ID = /result/CALL_ID`.
"""

from collections.abc import Callable, Iterable, Mapping

from callevents.errors import InvalidError

Maps = Mapping[str, Mapping[str, str]]

MAP_EXAMPLE = "direction: IN = in"
ANSWER_EXAMPLE = "CALL_ID = /result/CALL_ID"


def parse_maps(text: str) -> Maps:
    """Return the value maps of the lines; raises InvalidError about `value_maps`."""
    found: dict[str, dict[str, str]] = {}

    def add(line: str) -> str:
        name, colon, rest = line.partition(":")
        value, equals, replacement = rest.partition("=")
        name, value = name.strip(), value.strip()
        if not (colon and equals and name and value):
            return f"Write it like: {MAP_EXAMPLE}"
        if value in found.get(name, {}):
            return f"The map {name} has {value} twice."
        found.setdefault(name, {})[value] = replacement.strip()
        return ""

    _read_lines("value_maps", text, add)
    return found


def format_maps(maps: Maps) -> str:
    """Return the value maps as lines."""
    return "\n".join(
        f"{name}: {value} = {replacement}".rstrip()
        for name, values in maps.items()
        for value, replacement in values.items()
    )


def parse_answers(text: str) -> Mapping[str, str]:
    """Return names and JSON pointers of the lines; raises InvalidError about `answers`."""
    found: dict[str, str] = {}

    def add(line: str) -> str:
        name, equals, pointer = line.partition("=")
        name = name.strip()
        if not (equals and name):
            return f"Write it like: {ANSWER_EXAMPLE}"
        if name in found:
            return f"{name} is there twice."
        found[name] = pointer.strip()
        return ""

    _read_lines("answers", text, add)
    return found


def format_answers(pointers: Mapping[str, str]) -> str:
    """Return the names and JSON pointers as lines."""
    return "\n".join(f"{name} = {pointer}" for name, pointer in pointers.items())


def parse_list(text: str) -> tuple[str, ...]:
    """Return the values of a text, which are separated by commas or lines."""
    parts = text.replace(",", "\n").splitlines()
    return tuple(part.strip() for part in parts if part.strip())


def format_list(values: Iterable[str]) -> str:
    """Return the values, one on each line."""
    return "\n".join(values)


def _read_lines(field: str, text: str, add: Callable[[str], str]) -> None:
    """Pass each line to `add`, which returns its problem; raise InvalidError about the first."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and (problem := add(line)):
            raise InvalidError.of(field, f"Line {number}: {problem}")
