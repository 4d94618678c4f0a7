"""Commands for extensions."""

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.db.models import Extension
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import extensions, pbxs

group = AppGroup("extensions", help="Add and list extensions.")


@group.command("add")
@click.argument("pbx")
@click.argument("number")
@click.option("--name", default="", help="Name of the person or purpose.")
@json_option
@handle_errors
def add_extension(pbx: str, number: str, name: str, as_json: bool) -> None:
    """Add the extension NUMBER to a PBX."""
    begin_write()
    extension = extensions.add_extension(pbxs.get_pbx(pbx), number, name)
    db.session.commit()
    print_result(_extension(extension), f"Added extension {extension.number}.", as_json)


@group.command("list")
@click.argument("pbx")
@json_option
@handle_errors
def list_extensions(pbx: str, as_json: bool) -> None:
    """List the extensions of a PBX."""
    print_list(extensions.list_extensions(pbxs.get_pbx(pbx)), _extension, as_json)


def _extension(extension: Extension) -> Values:
    return {"number": extension.number, "name": extension.name}
