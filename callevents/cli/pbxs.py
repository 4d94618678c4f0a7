"""The commands about PBXs."""

import click
from flask.cli import AppGroup

from callevents.cli.output import (
    Values,
    json_option,
    print_answer,
    print_list,
    read_secret,
    reports_errors,
)
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import Format
from callevents.extensions import db
from callevents.pbxs import pbxs

group = AppGroup("pbx", help="PBXs, and the tokens with which they report.")


_format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice([format_.value for format_ in Format]),
    help="How its reports are written; see docs/integrations.",
)


@group.command("add")
@click.argument("name")
@_format_option
@json_option
@reports_errors
def add_pbx(name: str, format_name: str | None, as_json: bool) -> None:
    """Add a PBX named NAME and print its ingest token, which cannot be printed again."""
    begin_write()
    pbx, token = pbxs.add_pbx(name)
    if format_name:
        pbxs.set_format(pbx, format_name)
    db.session.commit()
    text = (
        f"PBX {pbx.name!r} has the name {pbx.slug} in addresses and commands.\n"
        f"Its token, shown this once:\n{token}"
    )
    print_answer({**_pbx(pbx), "token": token}, text, as_json)


@group.command("set")
@click.argument("pbx")
@_format_option
@click.option(
    "--format-secret",
    help="What its reports must be signed with, nothing to check none; - reads it from the input.",
)
@json_option
@reports_errors
def set_pbx(pbx: str, format_name: str | None, format_secret: str | None, as_json: bool) -> None:
    """Change how the reports of PBX are read; what is not given stays as it is."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    pbxs.set_format(found, format_name or found.format, read_secret(format_secret))
    db.session.commit()
    signed = ", signed" if found.format_secret else ""
    text = f"The reports of {found.name} are read as: {found.format.label}{signed}."
    print_answer(_pbx(found), text, as_json)


@group.command("list")
@json_option
@reports_errors
def list_pbxs(as_json: bool) -> None:
    """List the PBXs."""
    print_list(pbxs.list_pbxs(), _pbx, as_json)


def _pbx(pbx: Pbx) -> Values:
    return {"slug": pbx.slug, "name": pbx.name, "format": pbx.format}
