"""`flask config export|import|diff`."""

import difflib
import sys

import click
from flask.cli import AppGroup

from callevents.cli.output import (
    Values,
    dry_run_option,
    get_settings,
    handle_errors,
    json_option,
    print_list,
    read_file,
)
from callevents.counted import counted
from callevents.db.session import begin_write, end_transaction
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.operations.configuration.changes import Change
from callevents.operations.configuration.document import Document
from callevents.operations.configuration.export import export_configuration
from callevents.operations.configuration.importing import import_configuration
from callevents.operations.configuration.sealed_secrets import add_secrets, restore_secrets
from callevents.operations.configuration.sealing import Sealer, find_salt
from callevents.operations.configuration.text import parse, to_json, to_yaml
from callevents.pbxs import pbxs

group = AppGroup("config", help="Export, import and compare the configuration.")

_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, exists=True),
    help="Read the passphrase from the first line of this file instead of asking for it.",
)


@group.command("export")
@click.option("--pbx", "slugs", multiple=True, help="Only this PBX; can be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@click.option("--secrets", is_flag=True, help="Include secrets, encrypted with a passphrase.")
@_passphrase_file
@handle_errors
def export_config(
    slugs: tuple[str, ...], as_json: bool, secrets: bool, passphrase_file: str | None
) -> None:
    """Print the configuration as YAML.

    It has receivers, PBXs, groups, extensions, requests and connectors, in a fixed order. Secrets
    are left out: tokens, credentials, values of headers and masked parts of URLs. With --secrets
    they are added, encrypted; ingest tokens are not, because only their digests are stored.
    """
    found = [pbxs.get_pbx(slug) for slug in slugs] or pbxs.list_pbxs()
    document = export_configuration(found)
    if secrets:
        sealer = Sealer(_read_passphrase(passphrase_file, confirm=True), find_salt(get_settings()))
        begin_write()
        document = add_secrets(document, found, sealer)
        db.session.commit()
    click.echo(to_json(document) if as_json else to_yaml(document).rstrip())


@group.command("diff")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--pbx", "slugs", multiple=True, help="Only this PBX; can be repeated.")
@handle_errors
def diff_config(file: str, slugs: tuple[str, ...]) -> None:
    """Show how FILE differs from the configuration, line by line.

    Lines with - are only in the configuration, lines with + only in FILE. Secrets are not compared.
    The exit code is 1 if anything differs.
    """
    given = parse(read_file(file))
    chosen = [one for one in given.pbxs if not slugs or one.slug in slugs]
    wanted = Document(receivers=given.receivers, pbxs=chosen)
    found = [pbxs.get_pbx(slug) for slug in slugs] or pbxs.list_pbxs()
    before, after = (to_yaml(one).splitlines() for one in (export_configuration(found), wanted))
    lines = list(difflib.unified_diff(before, after, "configuration", file, lineterm=""))
    if not lines:
        click.echo("Nothing differs.")
        return
    click.echo("\n".join(lines))
    sys.exit(1)


@group.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@dry_run_option
@click.option("--prune", is_flag=True, help="Remove what the file does not have.")
@click.option("--secrets", is_flag=True, help="Set the secrets too, which the file must have.")
@_passphrase_file
@json_option
@handle_errors
def import_config(
    file: str,
    dry_run: bool,
    prune: bool,
    secrets: bool,
    passphrase_file: str | None,
    as_json: bool,
) -> None:
    """Make the configuration like FILE; list the changes.

    FILE is YAML or JSON; - reads standard input. All or nothing: if one value is invalid, nothing
    changes. The same file twice changes nothing.
    """
    document = parse(read_file(file))
    passphrase = _read_passphrase(passphrase_file) if secrets else ""
    begin_write()
    changes = import_configuration(document, prune=prune)
    if secrets:
        changes = restore_secrets(document, passphrase, changes)
    elif document.secrets is not None:
        click.echo("The secrets of the file were left out. Add --secrets to set them.", err=True)
    if dry_run:
        end_transaction()
    else:
        db.session.commit()
        wake()
    print_list(changes, to_values, as_json, empty="Nothing differs.")
    if not as_json and changes:
        did = "would be made" if dry_run else "made"
        click.echo(f"{counted(len(changes), 'change')} {did}.", err=True)


def to_values(change: Change) -> Values:
    """Return the change as commands print it."""
    return {
        "done": change.done.value,
        "object": change.kind.value,
        "name": change.name,
        "fields": ", ".join(change.fields),
        "missing_secrets": ", ".join(change.missing_secrets),
    }


def _read_passphrase(file: str | None, *, confirm: bool = False) -> str:
    if file is not None:
        return next(iter(read_file(file).splitlines()), "")
    label = "Passphrase of the secrets"
    return str(click.prompt(label, hide_input=True, confirmation_prompt=confirm, err=True))
