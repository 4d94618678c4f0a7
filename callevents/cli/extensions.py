"""The commands about extensions."""

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, json_option, print_answer, print_list, reports_errors
from callevents.db.models import Extension
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import extensions, pbxs

group = AppGroup("extensions", help="Extensions of a PBX.")


@group.command("add")
@click.argument("pbx")
@click.argument("number")
@click.option("--name", default="", help="Whose it is, or what it is for.")
@json_option
@reports_errors
def add_extension(pbx: str, number: str, name: str, as_json: bool) -> None:
    """Add the extension NUMBER to a PBX."""
    begin_write()
    extension = extensions.add_extension(pbxs.get_pbx(pbx), number, name)
    db.session.commit()
    print_answer(_extension(extension), f"Extension {extension.number} is added.", as_json)


@group.command("list")
@click.argument("pbx")
@json_option
@reports_errors
def list_extensions(pbx: str, as_json: bool) -> None:
    """List the extensions of a PBX."""
    print_list(extensions.list_extensions(pbxs.get_pbx(pbx)), _extension, as_json)


def _extension(extension: Extension) -> Values:
    return {"number": extension.number, "name": extension.name}
