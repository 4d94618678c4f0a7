"""Extensions from CSV: number, name, group. Says what is wrong with each wrong line."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from callevents import csv_rows
from callevents.db.locks import lock_pbx
from callevents.db.models import MAX_NUMBER_LENGTH, Extension, Pbx
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs.extension_batches import AddResult, AddStatus, add_batch
from callevents.pbxs.extensions import check_extension_name, check_number
from callevents.pbxs.groups import add_to_groups

MAX_LINES = 5_000
MAX_BYTES = 500_000
BATCH = 500
#: Names of columns, as spreadsheets and PBXs have them.
_COLUMNS = {
    "number": "number",
    "extension": "number",
    "ext": "number",
    "name": "name",
    "display name": "name",
    "group": "group",
    "department": "group",
}
_DEFAULT = ("number", "name", "group")
_NO_COLUMN_NAMES = (
    "Looks like names of columns, but none is 'number'. The columns are taken as number, name and "
    "group."
)
#: No phone has these in its number, unlike letters and signs (RFC 3261, 25.1). One that a PBX
#: reports nevertheless can still be added alone, or from the suggestions.
_IMPOSSIBLE = frozenset(' "<>')
_NO_DIGIT = "Number: {!r} has no digit. If it is one, name the column in line 1: number."


#: The number of a line, and its cells.
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Line:
    """A valid line."""

    line: int
    number: str
    name: str = ""
    group: str = ""


@dataclass(frozen=True)
class Problem:
    """A line that cannot be imported, and why."""

    line: int
    text: str


@dataclass(frozen=True)
class Parsed:
    """What a file has."""

    lines: Sequence[Line]
    problems: Sequence[Problem]
    #: The numbers that the PBX has already; they keep their names.
    existing: frozenset[str] = frozenset()
    #: The columns that are not imported: their names, or 'column 4'.
    ignored: Sequence[str] = ()

    @property
    def new(self) -> Sequence[Line]:
        """The lines that add an extension."""
        return [line for line in self.lines if line.number not in self.existing]

    @property
    def groups(self) -> Mapping[str, int]:
        """The groups that extensions join, also existing ones, with their numbers of lines."""
        return Counter(line.group for line in self.lines if line.group)


@dataclass(frozen=True)
class Imported:
    """How many extensions were added, and what could not be."""

    added: int
    existing: int
    problems: Sequence[Problem] = field(default_factory=tuple)


def decode(data: bytes) -> str:
    """Return the text of a file, see `csv_rows.decode`; raises InvalidError about `file`."""
    if len(data) > MAX_BYTES:
        raise InvalidError.of("file", f"The file may have at most {MAX_BYTES // 1000} kB.")
    return csv_rows.decode(data, field="file")


def parse(text: str, pbx: Pbx) -> Parsed:
    """Return the lines of the file and their problems; raises InvalidError about `file`.

    The first line may name the columns. Without that they are number, name and group.
    """
    rows = csv_rows.read_rows(text, field="file")
    if not rows:
        raise InvalidError.of("file", "The file is empty. Each line needs a number.")
    columns = _find_columns(rows)
    if len(columns.rows) > MAX_LINES:
        raise InvalidError.of(
            "file",
            f"The file has {len(columns.rows):,} lines. Import at most {MAX_LINES:,} at once.",
        )
    lines, problems = _check_all(columns)
    return Parsed(lines, problems, _find_existing(pbx, lines), columns.ignored)


def add_lines(pbx: Pbx, parsed: Parsed) -> Imported:
    """Add the extensions of the valid lines, and all to their groups; the caller commits."""
    lock_pbx(db.session.connection(), pbx.id)
    results = add_batch(pbx, [(line.number, line.name) for line in parsed.lines])
    counts = Counter(result.status for result in results)
    joining: dict[str, list[Extension]] = defaultdict(list)
    for line, result in zip(parsed.lines, results, strict=True):
        if line.group and result.extension is not None:
            joining[line.group].append(result.extension)
    add_to_groups(pbx, joining)
    refused = [
        Problem(line.line, _first_message(result))
        for line, result in zip(parsed.lines, results, strict=True)
        if result.status is AddStatus.INVALID
    ]
    return Imported(
        counts[AddStatus.CREATED], counts[AddStatus.EXISTS], [*parsed.problems, *refused]
    )


@dataclass(frozen=True)
class _Columns:
    """The place of each column, the rows without a header, and what is not imported."""

    places: Mapping[str, int]
    rows: Sequence[Row]
    ignored: Sequence[str]
    #: A first line that names no column that is known.
    unknown_header: Row | None = None


def _find_columns(rows: Sequence[Row]) -> _Columns:
    header = rows[0][1]
    names = [_COLUMNS.get(cell.lower(), "") for cell in header]
    width = max(len(cells) for _, cells in rows)
    if "number" in names:
        places = {name: names.index(name) for name in _DEFAULT if name in names}
        return _Columns(places, rows[1:], _name_others(places, header, width))
    places = {name: place for place, name in enumerate(_DEFAULT)}
    if _is_header(rows):
        return _Columns(places, rows[1:], _name_others(places, header, width), rows[0])
    return _Columns(places, rows, _name_others(places, (), width))


def _name_others(places: Mapping[str, int], header: Sequence[str], width: int) -> Sequence[str]:
    """Return the names of the columns that have none of these places."""
    others = [place for place in range(width) if place not in places.values()]
    named = [header[place] if place < len(header) else "" for place in others]
    return [name or f"column {place + 1}" for name, place in zip(named, others, strict=True)]


def _is_header(rows: Sequence[Row]) -> bool:
    """Return True if the first row has no digit in a column where most other rows have one.

    Its number has none either. Where no row has any, the numbers are names, as in FreeSWITCH.
    """
    first, others = rows[0][1], [cells for _, cells in rows[1:]]
    if first[0] in {"", ALL_EXTENSIONS} or _has_digit(first[0]):
        return False
    return any(
        2 * sum(len(cells) > place and _has_digit(cells[place]) for cells in others) > len(others)
        for place, cell in enumerate(first)
        if not _has_digit(cell)
    )


def _has_digit(text: str) -> bool:
    return any(one.isdigit() for one in text)


def _check_all(columns: _Columns) -> tuple[list[Line], list[Problem]]:
    found: dict[str, Line] = {}
    problems: list[Problem] = []
    if header := columns.unknown_header:
        problems.append(Problem(header[0], _NO_COLUMN_NAMES))
    for number, row in columns.rows:
        try:
            line = _check(columns.places, number, row)
        except InvalidError as error:
            problems.append(Problem(number, str(error)))
            continue
        if header and not _has_digit(line.number):
            # The number may be in another column.
            problems.append(Problem(number, _NO_DIGIT.format(line.number)))
        elif earlier := found.get(line.number):
            text = f"The number {line.number} is in line {earlier.line} already."
            problems.append(Problem(number, text))
        else:
            found[line.number] = line
    return list(found.values()), problems


def _check(columns: Mapping[str, int], number: int, row: Sequence[str]) -> Line:
    cells = {name: row[place] if place < len(row) else "" for name, place in columns.items()}
    if len(cells["number"]) > MAX_NUMBER_LENGTH:
        # The text of the check would be as long.
        raise InvalidError.of(
            "number", f"The number may have at most {MAX_NUMBER_LENGTH} characters."
        )
    errors = [*_problems_of(cells)]
    if not _IMPOSSIBLE.isdisjoint(cells["number"]):
        errors.append("Number: Must not contain spaces, double quotes, < or >.")
    if errors:
        raise InvalidError({"number": errors})
    return Line(number, cells["number"], cells.get("name", ""), cells.get("group", ""))


def _problems_of(cells: Mapping[str, str]) -> Iterator[str]:
    for label, check, text in (
        ("Number", check_number, cells["number"]),
        ("Name", check_extension_name, cells.get("name", "")),
        ("Group", check_extension_name, cells.get("group", "")),
    ):
        try:
            check(text)
        except InvalidError as error:
            yield f"{label}: {error}"


def _find_existing(pbx: Pbx, lines: Sequence[Line]) -> frozenset[str]:
    found: set[str] = set()
    for start in range(0, len(lines), BATCH):
        numbers = [line.number for line in lines[start : start + BATCH]]
        known = Extension.pbx_id == pbx.id, Extension.number.in_(numbers)
        found.update(db.session.scalars(select(Extension.number).where(*known)))
    return frozenset(found)


def _first_message(result: AddResult) -> str:
    return next((message for group in result.errors.values() for message in group), "")
