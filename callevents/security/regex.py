"""Regular expressions that people enter: matched in a time that grows only with the text."""

from typing import Protocol

import re2

#: How RE2 begins to complain of what is possible in other regular expressions.
_NOT_POSSIBLE = ("invalid perl operator", "invalid escape sequence")


class Pattern(Protocol):
    """An expression that can be tried on a text."""

    def fullmatch(self, text: str) -> object | None:
        """Return something if the expression fits the text from end to end."""


def compile_pattern(text: str) -> Pattern:
    """Return the expression, in the syntax of RE2; raises ValueError if it is none."""
    options = re2.Options()
    # It would write to the standard error output; the sentence below is for who typed it.
    options.log_errors = False
    try:
        pattern: Pattern = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        sentence = f"{text!r} is no regular expression: {reason}."
        if reason.startswith(_NOT_POSSIBLE):
            sentence += " Looking ahead or back and back-references are not possible."
        raise ValueError(sentence) from None
    return pattern
