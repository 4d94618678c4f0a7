"""`flask pbx remove`."""

import threading
import time

import click
from flask.cli import with_appcontext

from callevents.cli.output import handle_errors, json_option, print_result
from callevents.counted import counted
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs, removal
from callevents.pbxs.removal import Contents

#: How often the command prints how far it is.
PROGRESS_SECONDS = 1.0


@click.command("remove")
@click.argument("pbx")
@click.option("--yes", is_flag=True, help="Do not ask for the name.")
@click.option("--wait/--no-wait", default=True, help="Delete its rows now, or leave it to workers.")
@json_option
@with_appcontext
@handle_errors
def remove_pbx(pbx: str, yes: bool, wait: bool, as_json: bool) -> None:
    """Remove a PBX with all its data.

    It stops at once. Its rows are deleted in batches; if you interrupt the command, workers go on.
    Run it again to see how far they are.
    """
    removing = removal.find_removing(pbx)
    if removing is None:
        found = pbxs.get_pbx(pbx)
        confirmation = found.slug if yes else _confirm(found, as_json)
        begin_write()
        removing = pbxs.get_pbx(pbx)
        removal.begin_removal(removing, confirmation)
    slug, name, pbx_id = removing.slug, removing.name, removing.id
    db.session.commit()
    if not wait:
        text = f"{name} is being removed. Workers delete its rows."
        print_result({"pbx": slug, "removed": False, "rows": 0}, text, as_json)
        return
    rows = _delete_rows(pbx_id)
    print_result(
        {"pbx": slug, "removed": True, "rows": rows}, f"Removed {name} and {rows:,} rows.", as_json
    )


def _confirm(pbx: Pbx, as_json: bool) -> str:
    """Say what goes with the PBX, and return what the user types."""
    if as_json:
        raise click.UsageError("With --json, pass --yes.")
    click.echo(f"{pbx.name} has {describe(removal.count_contents(pbx))}.")
    # The transaction must not stay open while we wait for the user.
    slug = pbx.slug
    db.session.rollback()
    typed: str = click.prompt(f"All of it is deleted. Type {slug} to go on")
    return typed


def describe(contents: Contents) -> str:
    """Return the numbers in words."""
    parts = [
        (contents.extensions, "extension"),
        (contents.hooks, "request"),
        (contents.open_deliveries, "waiting delivery"),
        (contents.deliveries, "delivery"),
        (contents.events, "call event"),
        (contents.tokens, "token"),
        (contents.connectors, "connector"),
    ]
    limited = ((contents.api_tokens, "API token"), (contents.apps, "app"))
    parts += [part for part in limited if part[0]]
    texts = [counted(count, one) for count, one in parts]
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _delete_rows(pbx_id: int) -> int:
    """Delete the rows of the PBX together with any worker; print how far it is."""
    rows, print_at = 0, time.monotonic() + PROGRESS_SECONDS
    for progress in removal.remove_rows(db.engine, pbx_id, threading.Event()):
        rows = progress.removed
        if time.monotonic() >= print_at:
            click.echo(progress.text, err=True)
            print_at = time.monotonic() + PROGRESS_SECONDS
    return rows
