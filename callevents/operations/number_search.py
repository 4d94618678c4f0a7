"""Phone numbers to search for, however they are written."""

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
_WITHOUT_SEPARATORS = str.maketrans("", "", SEPARATORS)


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

    def is_in(self, text: str) -> bool:
        """Return True if the text has the number; as `contains` does for a column."""
        if not self.digits:
            return text == self.text
        return self.digits in text.translate(_WITHOUT_SEPARATORS)


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
    """Return the condition that a text has the number, whatever separates its digits."""
    if not number.digits:
        is_equal: ColumnElement[bool] = column == number.text
        return is_equal
    text: Any = column
    for character in SEPARATORS:
        text = func.replace(text, character, "")
    found: ColumnElement[bool] = text.contains(number.digits, autoescape=True)
    return found
