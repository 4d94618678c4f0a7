"""What counts as an extension of a PBX: listed numbers, or all that a pattern fits."""

from collections.abc import Iterable

from callevents.db.models import MAX_NUMBER_LENGTH
from callevents.security.regex import compile_pattern


class ExtensionSet:
    """The extensions whose call events are wanted: a set of numbers, a pattern, or both."""

    def __init__(self, numbers: Iterable[str] = (), pattern: str = "") -> None:
        """Take the numbers, and a regular expression that has to fit a number from end to end.

        Raises ValueError for a pattern that is none.
        """
        self._numbers = frozenset(numbers)
        self._pattern = compile_pattern(pattern) if pattern else None

    def __contains__(self, number: str) -> bool:
        if number in self._numbers:
            return True
        if self._pattern is None or not 0 < len(number) <= MAX_NUMBER_LENGTH:
            return False
        return number.isprintable() and self._pattern.fullmatch(number) is not None
