"""The commands about PBXs."""

import click
from flask.cli import AppGroup

from callevents import pbxs
from callevents.cli.answers import Values, json_option, print_answer, print_list, reports_errors
from callevents.extensions import begin_write, db
from callevents.models import Pbx

group = AppGroup("pbx", help="PBXs, and the tokens with which they report.")


@group.command("add")
@click.argument("name")
@json_option
@reports_errors
def add_pbx(name: str, as_json: bool) -> None:
    """Add a PBX named NAME and print its ingest token, which cannot be printed again."""
    begin_write()
    pbx, token = pbxs.add_pbx(name)
    db.session.commit()
    text = (
        f"PBX {pbx.name!r} has the name {pbx.slug} in addresses and commands.\n"
        f"Its token, shown this once:\n{token}"
    )
    print_answer({**_pbx(pbx), "token": token}, text, as_json)


@group.command("list")
@json_option
@reports_errors
def list_pbxs(as_json: bool) -> None:
    """List the PBXs."""
    print_list(pbxs.list_pbxs(), _pbx, as_json)


def _pbx(pbx: Pbx) -> Values:
    return {"slug": pbx.slug, "name": pbx.name}
