"""What counts as an extension of a PBX: listed numbers, or all that a pattern fits."""

import re
from collections.abc import Iterable

from callevents.models import MAX_NUMBER_LENGTH


class ExtensionSet:
    """The extensions whose call events are wanted: a set of numbers, a pattern, or both."""

    def __init__(self, numbers: Iterable[str] = (), pattern: str = "") -> None:
        """Take the numbers, and a regular expression that has to fit a number from end to end.

        Raises ValueError for a pattern that is none.
        """
        self._numbers = frozenset(numbers)
        try:
            self._pattern = re.compile(pattern) if pattern else None
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}.") from error

    def __contains__(self, number: str) -> bool:
        if number in self._numbers:
            return True
        if self._pattern is None or not 0 < len(number) <= MAX_NUMBER_LENGTH:
            return False
        return number.isprintable() and self._pattern.fullmatch(number) is not None
