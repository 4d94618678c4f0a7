"""`flask config export|import`."""

import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list
from callevents.db.session import begin_write, end_transaction
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.operations.configuration.changes import Change
from callevents.operations.configuration.export import export_configuration
from callevents.operations.configuration.importing import import_configuration
from callevents.operations.configuration.text import parse, to_json, to_yaml
from callevents.pbxs import pbxs

group = AppGroup("config", help="Export and import the configuration, without secrets.")


@group.command("export")
@click.option("--pbx", "slugs", multiple=True, help="Only this PBX; again for more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@handle_errors
def export_config(slugs: tuple[str, ...], as_json: bool) -> None:
    """Print the configuration as YAML.

    It has PBXs, extensions, requests and connectors, in a fixed order. Secrets are left out:
    tokens, credentials, values of headers and masked parts of URLs.
    """
    found = [pbxs.get_pbx(slug) for slug in slugs] or pbxs.list_pbxs()
    document = export_configuration(found)
    click.echo(to_json(document) if as_json else to_yaml(document).rstrip())


@group.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Only list what would change.")
@click.option("--prune", is_flag=True, help="Remove what the file does not have.")
@json_option
@handle_errors
def import_config(file: str, dry_run: bool, prune: bool, as_json: bool) -> None:
    """Make the configuration like FILE; list the changes.

    FILE is YAML or JSON; - reads standard input. All or nothing: if one value is invalid, nothing
    changes. The same file twice changes nothing.
    """
    document = parse(_read(file))
    begin_write()
    changes = import_configuration(document, prune=prune)
    if dry_run:
        end_transaction()
    else:
        db.session.commit()
        wake()
    print_list(changes, to_values, as_json, empty="Nothing differs.")
    if not as_json and changes:
        did = "would be made" if dry_run else "made"
        click.echo(f"{len(changes)} change{'s'[: len(changes) != 1]} {did}.", err=True)


def to_values(change: Change) -> Values:
    """Return the change as commands print it."""
    return {
        "done": change.done.value,
        "object": change.kind.value,
        "name": change.name,
        "fields": ", ".join(change.fields),
        "missing_secrets": ", ".join(change.missing_secrets),
    }


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise NotFoundError(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise NotFoundError(f"Cannot read {file}: it is not text in UTF-8.") from None
