"""Lists of extension numbers as people type them: with commas, and ranges such as 100-139."""

import re
from collections.abc import Iterator, Sequence

from sqlalchemy import select

from callevents.db.models import Extension, Pbx
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope

#: Numbers in one list, or one range.
MAX_NUMBERS = 1_000
BATCH = 500
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
_SEPARATORS = re.compile(r"[\s,;]+")


def read_numbers(text: str, field: str) -> list[str]:
    """Return the numbers of a list, each once; raises InvalidError about `field`."""
    numbers: dict[str, None] = {}
    for part in filter(None, _SEPARATORS.split(text)):
        numbers |= dict.fromkeys(_expand(part, field))
        if len(numbers) > MAX_NUMBERS:
            raise InvalidError.of(field, f"At most {MAX_NUMBERS:,} extensions at once.")
    return list(numbers)


def read_range(first: str, last: str) -> list[str]:
    """Return the numbers from first to last; raises InvalidError about `first` or `last`."""
    errors = {
        name: ["Enter digits only."]
        for name, text in (("first", first.strip()), ("last", last.strip()))
        if not (text.isascii() and text.isdigit() and len(text) <= 18)
    }
    if errors:
        raise InvalidError(errors)
    return list(_range(first.strip(), last.strip(), "last"))


def find_by_numbers(
    pbx: Pbx, numbers: Sequence[str], field: str, scope: Scope = EVERYTHING
) -> Sequence[Extension]:
    """Return the extensions with these numbers, in the scope; raises InvalidError about `field`."""
    found: dict[str, Extension] = {}
    for start in range(0, len(numbers), BATCH):
        query = select(Extension).where(
            Extension.pbx_id == pbx.id,
            Extension.number.in_(numbers[start : start + BATCH]),
            scope.of_extensions(),
        )
        found |= {extension.number: extension for extension in db.session.scalars(query)}
    missing = [number for number in numbers if number not in found]
    if missing:
        names = ", ".join(missing[:5]) + (f" and {len(missing) - 5:,} more" * (len(missing) > 5))
        raise InvalidError.of(field, f"{pbx.name} has no extension {names}.")
    return [found[number] for number in numbers]


def _expand(part: str, field: str) -> Iterator[str]:
    if matched := _RANGE.fullmatch(part):
        yield from _range(matched[1], matched[2], field)
    else:
        yield part


def _range(first: str, last: str, field: str) -> Iterator[str]:
    """Yield the numbers of a range; leading zeros stay."""
    if len(first) != len(last):
        raise InvalidError.of(
            field, f"The numbers {first} and {last} of a range must have the same number of digits."
        )
    count = int(last) - int(first) + 1
    if count < 1:
        raise InvalidError.of(field, f"The range {first}-{last} ends before it begins.")
    if count > MAX_NUMBERS:
        raise InvalidError.of(
            field,
            f"The range {first}-{last} has {count:,} numbers; at most {MAX_NUMBERS:,} at once.",
        )
    for number in range(int(first), int(last) + 1):
        yield f"{number:0{len(first)}}"
