"""Commands for PBXs."""

import click
from flask.cli import AppGroup

from callevents.cli.output import (
    Values,
    handle_errors,
    json_option,
    print_list,
    print_result,
    read_secret,
)
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Format
from callevents.extensions import db
from callevents.pbxs import pbxs

group = AppGroup("pbx", help="Add and configure PBXs.")


_format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice([format_.value for format_ in Format]),
    help="Format of its reports; see docs/integrations.",
)


@group.command("add")
@click.argument("name")
@_format_option
@json_option
@handle_errors
def add_pbx(name: str, format_name: str | None, as_json: bool) -> None:
    """Add a PBX and print its ingest token, only once."""
    begin_write()
    pbx, token = pbxs.add_pbx(name)
    if format_name:
        pbxs.set_format(pbx, format_name)
    db.session.commit()
    text = (
        f"Added PBX {pbx.name!r}. Its name in URLs and commands is {pbx.slug}.\n"
        f"Ingest token, shown only once:\n{token}"
    )
    print_result({**_to_values(pbx), "token": token}, text, as_json)


@group.command("set")
@click.argument("pbx")
@_format_option
@click.option(
    "--format-secret",
    help="Secret to verify report signatures with; empty disables the check, - reads it from "
    "standard input.",
)
@json_option
@handle_errors
def set_pbx(pbx: str, format_name: str | None, format_secret: str | None, as_json: bool) -> None:
    """Change the report format of a PBX. Options that you omit keep their value."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    pbxs.set_format(found, format_name or found.format, read_secret(format_secret))
    db.session.commit()
    signed = ", signed" if found.format_secret else ""
    text = f"Report format of {found.name}: {found.format.label}{signed}."
    print_result(_to_values(found), text, as_json)


@group.command("list")
@json_option
@handle_errors
def list_pbxs(as_json: bool) -> None:
    """List the PBXs."""
    print_list(pbxs.list_pbxs(), _to_values, as_json)


def _to_values(pbx: Pbx) -> Values:
    return {"slug": pbx.slug, "name": pbx.name, "format": pbx.format}
