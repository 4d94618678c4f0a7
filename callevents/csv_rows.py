"""Reads CSV as spreadsheets, PBXs and people write it; writes it without formulas."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from callevents.errors import InvalidError

_DELIMITERS = ",;\t"
_NO_TEXT = "The file is no text. Save it as CSV in UTF-8."
#: What spreadsheets take for a formula, in wide letters too, behind apostrophes if it has any.
_FORMULA = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def decode(data: bytes, *, field: str) -> str:
    """Return the text of a file in UTF-8, or as older spreadsheets write it.

    Raises InvalidError about `field`.
    """
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidError.of(field, _NO_TEXT)


def read_rows(text: str, *, field: str) -> Sequence[tuple[int, list[str]]]:
    """Return the rows that are not empty, with the numbers of their first lines.

    An apostrophe before a formula only marks it as text, and is no part of the cell.
    Raises InvalidError about `field`, with the line.
    """
    if "\0" in text:
        raise InvalidError.of(field, _NO_TEXT)
    text = text.removeprefix("\ufeff")
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=_find_delimiter(text), strict=True)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for row in reader:
            cells = [_without_mark(cell.strip()) for cell in row]
            if any(cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"Line {reader.line_num} is no valid CSV: {error}."
        raise InvalidError.of(field, message) from None
    return rows


def write_rows(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows as CSV, which `read_rows` reads.

    What a spreadsheet would take for a formula is marked as text with an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_with_mark(cell) for cell in row] for row in rows)
    return text.getvalue()


def _with_mark(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _without_mark(cell: str) -> str:
    return cell.removeprefix("'") if _FORMULA.match(cell) else cell


def _find_delimiter(text: str) -> str:
    """Return the delimiter that most of the first lines have; of spreadsheets it may be any."""
    start = text[:2_000]
    lines = start.splitlines()
    return max(_DELIMITERS, key=lambda one: (sum(one in line for line in lines), start.count(one)))
