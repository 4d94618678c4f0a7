"""Phone numbers to search for, however they are written."""

import re
from dataclasses import dataclass
from typing import Any

import phonenumbers
from sqlalchemy import ColumnElement, func

from callevents.errors import InvalidError

#: A number with fewer digits could be part of any other: it must be equal.
MIN_DIGITS = 7
MAX_LENGTH = 64
#: Characters in numbers that say nothing.
SEPARATORS = " -./()"
#: A run of digits, with what may separate them.
_RUN = re.compile(r"\d(?:[ ./()-]{0,3}\d)*")
_DIGITS = re.compile(r"\d+")
#: More digits before the national ones are not a country's and a trunk prefix.
MAX_PREFIX = 5


@dataclass(frozen=True)
class Number:
    """A phone number to search for.

    `digits`: those that all spellings share. 0612345678 is also +31612345678 and 0031612345678.
    Empty for a short number, such as an extension: it must be equal.
    """

    text: str
    digits: str

    @classmethod
    def of(cls, text: str) -> "Number":
        """Return the number; raises InvalidError about `number`."""
        text = text.strip()
        if not text or len(text) > MAX_LENGTH or not text.isprintable():
            raise InvalidError.of(
                "number", f"Enter a number of 1 to {MAX_LENGTH} printable characters."
            )
        is_number = all(one.isdecimal() or one in f"+{SEPARATORS}" for one in text)
        digits = _national_digits(text) if is_number else ""
        return cls(text, digits if len(digits) >= MIN_DIGITS else "")

    @property
    def masked(self) -> str:
        """The number without all but its last three characters, for the receipt."""
        return f"…{self.text[-3:]}" if len(self.text) > MIN_DIGITS else "…"

    def is_in(self, *texts: str) -> bool:
        """Return True if one of the texts has the number, and not as a part of a longer one."""
        if not self.digits:
            return self.text in texts
        found = (run for text in texts for run in (*_RUN.findall(text), *_DIGITS.findall(text)))
        runs = ("".join(filter(str.isdecimal, run)) for run in found)
        longest = len(self.digits) + MAX_PREFIX
        return any(run.endswith(self.digits) and len(run) <= longest for run in runs)


def _national_digits(text: str) -> str:
    """Return the digits without the country's, if they are given, and without a trunk prefix."""
    digits = "".join(filter(str.isdecimal, text))
    if text.startswith("+") or digits.startswith("00"):
        try:
            return str(phonenumbers.parse(f"+{digits.lstrip('0')}").national_number)
        except phonenumbers.NumberParseException:
            pass
    return digits.lstrip("0")


def contains(column: Any, number: Number) -> ColumnElement[bool]:
    """Return the condition that a text has the number, whatever separates its digits.

    Longer numbers are found too; see `Number.is_in`.
    """
    if not number.digits:
        is_equal: ColumnElement[bool] = column == number.text
        return is_equal
    text: Any = column
    for character in SEPARATORS:
        text = func.replace(text, character, "")
    found: ColumnElement[bool] = text.contains(number.digits, autoescape=True)
    return found
