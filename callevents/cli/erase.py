"""The command that erases what is stored of calls with a number."""

import threading

import click
from flask.cli import with_appcontext

from callevents.audit.targets import INSTALLATION, of_pbx
from callevents.cli.output import handle_errors, json_option, print_result
from callevents.db.session import read_connection
from callevents.extensions import db
from callevents.operations import erasure
from callevents.operations.erasure import Erased
from callevents.operations.kept_numbers import find_kept
from callevents.operations.number_search import Number
from callevents.pbxs import pbxs


@click.command("erase")
@click.option("--number", "text", required=True, help="For example 0612345678 or +31612345678.")
@click.option("--pbx", "slug", help="Only for this PBX.")
@click.option("--dry-run", is_flag=True, help="Erase nothing; print what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_appcontext
@handle_errors
def erase(text: str, slug: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Erase everything that is stored about calls with a number. It cannot be restored."""
    number = Number.of(text)
    target = of_pbx(pbxs.get_pbx(slug)) if slug else INSTALLATION
    db.session.rollback()
    if not dry_run and not yes:
        click.confirm(f"Erase all calls with {number.text}? They cannot be restored", abort=True)
    erased = Erased()
    for done, _ in erasure.erase(
        db.engine, number, threading.Event(), target=target, dry_run=dry_run
    ):
        erased += done
    with read_connection(db.engine) as connection:
        kept = find_kept(connection, number, target.pbx_id)
    lines = [f"{'Would erase' if dry_run else 'Erased'} {erased.describe()}."]
    if kept:
        lines.append(f"These still have the number: {', '.join(kept)}.")
    print_result({**vars(erased), "kept_in": kept}, "\n".join(lines), as_json)
