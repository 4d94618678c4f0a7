"""Extensions from CSV, and lists of numbers."""

from collections.abc import Sequence

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs.extension_import import Imported, Parsed, add_lines, decode, parse
from callevents.pbxs.extension_numbers import find_by_numbers, read_numbers, read_range
from callevents.pbxs.extensions import list_extensions
from tests.conftest import Configure


def read(pbx: Pbx, text: str) -> Parsed:
    """Parse a file."""
    return parse(decode(text.encode()), pbx)


def add(pbx: Pbx, parsed: Parsed) -> Imported:
    """Import what was parsed."""
    begin_write()
    imported = add_lines(pbx, parsed)
    db.session.commit()
    return imported


def lines(parsed: Parsed) -> Sequence[tuple[int, str, str, str]]:
    """Return the valid lines as tuples."""
    return [(line.line, line.number, line.name, line.group) for line in parsed.lines]


def test_300_with_three_bad_lines(pbx: Pbx, configure: Configure) -> None:
    """The good lines are imported; of the bad ones it says which and why."""
    configure.extension("1000", "Ann")
    rows = [f"{1000 + place},Desk {place},Sales" for place in range(300)]
    rows[99], rows[149], rows[199] = ",No number,", "1007,Again,", f"1199,{'x' * 101},"
    parsed = read(pbx, "\n".join(["Number,Name,Group", *rows]))
    assert [(one.line, one.text) for one in parsed.problems] == [
        (101, "Number: Enter the extension's number."),
        (151, "The number 1007 is in line 9 already."),
        (201, "Name: Must be at most 100 characters (got 101)."),
    ]
    assert (len(parsed.lines), len(parsed.new), parsed.existing) == (297, 296, {"1000"})
    imported = add(pbx, parsed)
    assert (imported.added, imported.existing, len(imported.problems)) == (296, 1, 3)
    names = {one.number: one.name for one in list_extensions(pbx)}
    assert (len(names), names["1000"], names["1299"]) == (297, "Ann", "Desk 299")
    again = add(pbx, read(pbx, "\n".join(rows)))
    assert (again.added, again.existing) == (0, 297)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("101", [(1, "101", "", "")]),
        ("101;Ann;Sales\r\n\r\n102;Bo", [(1, "101", "Ann", "Sales"), (3, "102", "Bo", "")]),
        ("Name\tExt\nAnn\t101", [(2, "101", "Ann", "")]),
        ('number,name\n"0003*210","Müller, Ann"', [(2, "0003*210", "Müller, Ann", "")]),
        ('101,"two\nlines"\n102,Bo', [(3, "102", "Bo", "")]),
        ("\ufeffextension,department\n101,Sales", [(2, "101", "", "Sales")]),
        (" 101 , Ann ", [(1, "101", "Ann", "")]),
        ("number;name\n101;Müller, Ann, MD", [(2, "101", "Müller, Ann, MD", "")]),
    ],
)
def test_formats(pbx: Pbx, text: str, wanted: list[tuple[int, str, str, str]]) -> None:
    """Commas, semicolons and tabs, with and without a header, and quoted values."""
    assert lines(read(pbx, text)) == wanted


def test_encodings(pbx: Pbx) -> None:
    """Files of older spreadsheets are read too; what is no text is refused."""
    assert lines(parse(decode("101,Müller".encode("cp1252")), pbx)) == [(1, "101", "Müller", "")]
    for data in (b"\x81\x8d\x8f\x90", b"x" * 500_001, b"101\0,Ann", b'101,"Ann', b"", b"\n\n"):
        with pytest.raises(InvalidError) as raised:
            parse(decode(data), pbx)
        assert list(raised.value.errors) == ["file"]


def test_bad_lines(pbx: Pbx) -> None:
    """Each has its line and reason; none of them is imported."""
    parsed = read(pbx, f"*,All\n{'9' * 65},Long\n10\u00071,Bell\n,\n102,Bo,{'g' * 101}\n103")
    assert [(one.line, one.text.split(":")[0]) for one in parsed.problems] == [
        (1, "Number"),
        (2, "The number may have at most 64 characters."),
        (3, "Number"),
        (5, "Group"),
    ]
    assert lines(parsed) == [(6, "103", "", "")]
    with pytest.raises(InvalidError, match="at most 5,000"):
        read(pbx, "\n".join(str(number) for number in range(5001)))


@pytest.mark.parametrize("number", ['5 50 "x', "1 01", "<101>", '"101"x'])
def test_impossible_numbers(pbx: Pbx, number: str) -> None:
    """What no phone can have in its number is refused, with its line."""
    quoted = number.replace('"', '""')
    parsed = read(pbx, f'101\n"{quoted}"')
    assert [(one.line, one.text) for one in parsed.problems] == [
        (2, "Number: Must not contain spaces, double quotes, < or >.")
    ]
    assert lines(parsed) == [(1, "101", "", "")]


def test_possible_numbers(pbx: Pbx) -> None:
    """Numbers with signs, domains and letters are of real PBXs."""
    numbers = ["*43", "+4930123456", "0003*210", "anna", "o'brien", "101@a.example.com", "müller"]
    assert [one.number for one in read(pbx, "\n".join(numbers)).lines] == numbers


def test_header_without_known_names(pbx: Pbx) -> None:
    """It is told and not imported, and neither are lines without a digit in their number."""
    parsed = read(pbx, "Nr;Nume;Grup\n101;Ann;Sales\n102;Bo;Sales\nanna;Cy;Sales")
    assert [(one.line, one.text.split(".")[0]) for one in parsed.problems] == [
        (1, "Looks like names of columns, but none is 'number'"),
        (4, "Number: 'anna' has no digit"),
    ]
    assert lines(parsed) == [(2, "101", "Ann", "Sales"), (3, "102", "Bo", "Sales")]
    assert parsed.groups == {"Sales": 2}
    swapped = read(pbx, "Nume,Nr\nAnn,101\nBo,102\nCy,")
    assert [one.line for one in swapped.problems] == [1, 2, 3, 4]
    names = read(pbx, "anna,Anna\nbob,Bob\nroom2,Room 2")
    assert ([one.number for one in names.lines], names.problems) == (["anna", "bob", "room2"], [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("extension,password,name,voicemail\n101,x,Ann,no", ["password", "voicemail"]),
        ("Number;;Ext\n101;Ann;5;more", ["column 2", "Ext", "column 4"]),
        ("101,Ann,Sales,more\n102", ["column 4"]),
        ("101,Ann", []),
    ],
)
def test_ignored_columns(pbx: Pbx, text: str, wanted: list[str]) -> None:
    """They are named, by their name or their place."""
    assert read(pbx, text).ignored == wanted


def test_quota(pbx: Pbx) -> None:
    """What the quota has no room for is a problem of its line."""
    begin_write()
    pbx.max_extensions = 2
    db.session.commit()
    imported = add(pbx, read(pbx, "101\n102\n103"))
    assert imported.added == 2
    assert [problem.line for problem in imported.problems] == [3]
    assert "quota" in imported.problems[0].text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("101", ["101"]),
        ("101, 103;105\n101", ["101", "103", "105"]),
        ("098-102", ["098", "099", "100", "101", "102"]),
        ("0003*210,100-101", ["0003*210", "100", "101"]),
        ("", []),
    ],
)
def test_numbers(text: str, wanted: list[str]) -> None:
    """Lists and ranges, each number once, with leading zeros."""
    assert read_numbers(text, "to") == wanted


@pytest.mark.parametrize("text", ["102-101", "99-100", "1000-3000", "0-999999999999999999"])
def test_wrong_ranges(text: str) -> None:
    """Ranges that end before they begin, or are too long, are refused."""
    with pytest.raises(InvalidError):
        read_numbers(text, "to")
    with pytest.raises(InvalidError):
        read_range(*text.split("-"))


def test_many_lists() -> None:
    """Several ranges together are limited too."""
    with pytest.raises(InvalidError, match="At most 1,000"):
        read_numbers("1000-1999,2000", "to")
    with pytest.raises(InvalidError, match="digits only"):
        read_range("1O0", "200")


def test_unknown_numbers(pbx: Pbx, configure: Configure) -> None:
    """Numbers that the PBX does not have are named."""
    configure.extension("101")
    assert [one.number for one in find_by_numbers(pbx, ["101"], "to")] == ["101"]
    with pytest.raises(InvalidError, match="no extension 1, 2, 3, 4, 5 and 1 more"):
        find_by_numbers(pbx, ["101", *"123456"], "to")
