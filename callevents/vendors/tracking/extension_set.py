"""The set of a PBX's extensions: a list of numbers, a pattern, or both."""

from collections.abc import Iterable

from callevents.db.models import MAX_NUMBER_LENGTH
from callevents.security.regex import compile_pattern


class ExtensionSet:
    """The extensions whose call events are sent: numbers, a pattern, or both."""

    def __init__(self, numbers: Iterable[str] = (), pattern: str = "", domain: str = "") -> None:
        """Build the set; `pattern` is a regular expression that must match a whole number.

        With a domain, `find` finds only phones of this domain. Raises ValueError for an invalid
        pattern.
        """
        self._numbers = frozenset(numbers)
        self._pattern = compile_pattern(pattern) if pattern else None
        self._domain = domain.casefold()

    def __contains__(self, number: str) -> bool:
        if number in self._numbers:
            return True
        if self._pattern is None or not 0 < len(number) <= MAX_NUMBER_LENGTH:
            return False
        return number.isprintable() and self._pattern.fullmatch(number) is not None

    def pick(self, name: str) -> str:
        """Return the name of a phone if it is an extension; else an empty text."""
        return name if name in self else ""

    def find(self, address: str) -> str:
        """Return the extension of a phone with this address, `number@domain`; empty if none.

        Its name is the number, or the whole address.
        """
        number, _, domain = address.partition("@")
        if not self.is_in_domain(domain):
            return ""
        return next((name for name in (number, address) if name in self), "")

    def is_in_domain(self, domain: str) -> bool:
        """Return True if phones of this domain count."""
        return self._domain in ("", domain.casefold())
