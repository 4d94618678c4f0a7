"""The command that undoes changes of requests."""

import click
from flask.cli import with_appcontext

from callevents.cli.output import handle_errors, json_option, print_result
from callevents.counted import counted
from callevents.db.session import begin_write
from callevents.delivery import removal
from callevents.delivery.hold import describe_waiting
from callevents.extensions import db
from callevents.hooks.bulk.undo import CHANGED_SINCE, Undone, undo
from callevents.jobs.waker import wake
from callevents.users.rights import EVERYTHING


@click.command("undo")
@click.argument("undo_id", metavar="ID")
@json_option
@with_appcontext
@handle_errors
def undo_change(undo_id: str, as_json: bool) -> None:
    """Undo a change of requests, or bring back what was cleared.

    ID is printed by the command that made the change. Clearing and deleting can be undone for
    30 seconds, other changes for half an hour. Requests that were changed since stay as they are.
    """
    begin_write()
    pbx = removal.find_pbx(undo_id)
    extension = ""
    if pbx is None:
        undone = undo(undo_id, EVERYTHING)
    else:
        removed = removal.undo(pbx, undo_id)
        undone = Undone(removed.hooks, released=removed.waiting)
        extension = removed.extension
    db.session.commit()
    wake()
    values = {
        "extension": extension or None,
        "requests": undone.hooks,
        "left_out": undone.left_out,
        "held": undone.held,
        "released": undone.released,
    }
    print_result(values, _describe(undone, extension), as_json)


def _describe(undone: Undone, extension: str) -> str:
    of_extension = f"extension {extension} with " if extension else ""
    text = f"Undone: {of_extension}{counted(undone.hooks, 'request')}."
    if undone.held:
        text += f" {describe_waiting(undone.held)} held."
    if undone.released:
        text += (
            f" {describe_waiting(undone.released)} {'goes' if undone.released == 1 else 'go'} on."
        )
    if undone.left_out:
        text += f" {undone.left_out:,} left out: {CHANGED_SINCE}."
    return text
