"""Regular expressions entered by users: RE2, which matches in linear time."""

from typing import Protocol

import re2

#: How RE2's errors about unsupported Perl syntax begin.
_UNSUPPORTED = ("invalid perl operator", "invalid escape sequence")


class Pattern(Protocol):
    """A compiled regular expression."""

    def fullmatch(self, text: str) -> object | None:
        """Return a match if the whole text matches, else None."""


def compile_pattern(text: str) -> Pattern:
    """Compile a regular expression in RE2 syntax; raises ValueError with a message for users."""
    options = re2.Options()
    # RE2 would also log to standard error.
    options.log_errors = False
    try:
        pattern: Pattern = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        message = f"Invalid regular expression {text!r}: {reason}."
        if reason.startswith(_UNSUPPORTED):
            message += " Lookahead, lookbehind and back-references are not supported."
        raise ValueError(message) from None
    return pattern
