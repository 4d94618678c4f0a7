"""Commands that add many extensions."""

from collections.abc import Sequence
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from callevents.cli.output import dry_run_option, handle_errors, json_option, print_result
from callevents.counted import counted
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.pbxs.extension_import import (
    Imported,
    Parsed,
    Problem,
    add_lines,
    decode,
    parse,
)
from callevents.pbxs.extension_numbers import read_range


@click.command("import")
@click.argument("pbx")
@click.argument("file", type=click.File("rb"))
@dry_run_option
@json_option
@with_appcontext
@handle_errors
def import_extensions(pbx: str, file: BinaryIO, dry_run: bool, as_json: bool) -> None:
    """Add the extensions of a CSV FILE to a PBX; - reads standard input.

    Each line has number, name and group; the first line may name the columns. Wrong lines are
    printed and left out, and so are other columns. Existing extensions keep their names.
    """
    text = decode(file.read())
    begin_write()
    found = pbxs.get_pbx(pbx)
    _add(found.slug, parse(text, found), dry_run=dry_run, as_json=as_json)


@click.command("add-range")
@click.argument("pbx")
@click.argument("first")
@click.argument("last")
@dry_run_option
@json_option
@with_appcontext
@handle_errors
def add_range(pbx: str, first: str, last: str, dry_run: bool, as_json: bool) -> None:
    """Add the extensions from FIRST to LAST, for example 100 139, to a PBX."""
    numbers = read_range(first, last)
    begin_write()
    found = pbxs.get_pbx(pbx)
    _add(found.slug, parse("\n".join(numbers), found), dry_run=dry_run, as_json=as_json)


def _add(slug: str, parsed: Parsed, *, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        db.session.rollback()
        imported = Imported(len(parsed.new), len(parsed.existing), parsed.problems)
    else:
        imported = add_lines(pbxs.get_pbx(slug), parsed)
        db.session.commit()
    _print(imported, parsed.ignored, dry_run=dry_run, as_json=as_json)


def _print(imported: Imported, ignored: Sequence[str], *, dry_run: bool, as_json: bool) -> None:
    verb = "Would add" if dry_run else "Added"
    added = counted(imported.added, "extension")
    lines = [f"{verb} {added}. {imported.existing:,} existed already."]
    lines += [f"Ignored columns: {', '.join(ignored)}."] if ignored else []
    lines += [f"Line {problem.line}: {problem.text}" for problem in imported.problems]
    values = {
        "dry_run": dry_run,
        "added": imported.added,
        "existing": imported.existing,
        "ignored_columns": list(ignored),
        "problems": [_to_values(problem) for problem in imported.problems],
    }
    print_result(values, "\n".join(lines), as_json)


def _to_values(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "problem": problem.text}
