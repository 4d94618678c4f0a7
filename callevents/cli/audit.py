"""Commands for the history: list and export."""

from collections.abc import Iterator
from typing import Any, TextIO

import click
from flask.cli import AppGroup

from callevents import audit as history
from callevents.audit.actions import Action
from callevents.audit.lines import to_line, to_values
from callevents.audit.many import EVENT_IDS
from callevents.audit.queries import Filter, find_page, iterate, read_object
from callevents.audit.targets import HISTORY
from callevents.cli.delivery_filters import parse_time
from callevents.cli.output import Command, Values, handle_errors, json_option, print_list
from callevents.db.models import AuditEntry
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs

group = AppGroup("audit", help="List and export the history of changes.")

_OPTIONS = (
    click.option("--who", metavar="NAME", help="Filter by user, or user who ran a command."),
    click.option("--pbx", metavar="SLUG", help="Filter by PBX."),
    click.option(
        "--action",
        metavar="ACTION",
        help="Filter by action, for example hook.disabled.",
    ),
    click.option(
        "--object",
        "about",
        metavar="OBJECT",
        help="Filter by object: its name or ID, or kind:ID such as hook:EVENT_ID.",
    ),
    click.option("--since", metavar="TIME", help="Done since: 2h, or an ISO time."),
    click.option("--until", metavar="TIME", help="Done before: 2h, or an ISO time."),
)


def _filter_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@group.command("list")
@_filter_options
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Maximum number."
)
@json_option
@handle_errors
def list_entries(limit: int, as_json: bool, **given: Any) -> None:
    """List what was done, newest first. --json prints more of each entry."""
    page = find_page(_parse_filter(given), limit=limit)
    print_list(page.found, to_values if as_json else _to_row, as_json)


@group.command("export")
@_filter_options
@click.option(
    "--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="File."
)
@handle_errors
def export(output: TextIO, **given: Any) -> None:
    """Export the history, oldest first, each entry as a line of JSON.

    Without --output it is printed. The export is an entry itself.
    """
    wanted = _parse_filter(given)
    begin_write()
    shown = {name: value for name, value in given.items() if value}
    history.record(Action.EXPORT_MADE, HISTORY, after={"filter": shown})
    db.session.commit()
    try:
        for entry in iterate(wanted):
            output.write(to_line(entry) + "\n")
        output.flush()
    except OSError as error:
        raise click.ClickException(f"Cannot write {output.name}: {error.strerror}.") from None


def _parse_filter(given: Values) -> Filter:
    """Return the filter of the options; raises click.UsageError, and NotFoundError for a PBX."""
    for name, value in given.items():
        if value and not value.isprintable():
            raise click.UsageError(f"--{name} must not contain control characters.")
    if given["action"] and given["action"] not in list(Action):
        raise click.UsageError(
            f"Unknown action {given['action']!r}. The actions are: {', '.join(Action)}."
        )
    kind, object_id = read_object(given["about"] or "")
    return Filter(
        who=given["who"] or "",
        pbx_id=pbxs.get_pbx(given["pbx"]).id if given["pbx"] else None,
        action=given["action"] or "",
        object_kind=kind,
        object_id=object_id,
        since=parse_time(given["since"]) if given["since"] else None,
        until=parse_time(given["until"]) if given["until"] else None,
    )


def _to_row(entry: AuditEntry) -> Values:
    """Return what fits into a line on a terminal."""
    who = entry.actor_name or "not signed in"
    if entry.actor_kind != "user":
        who = f"{who} ({entry.actor_id or entry.actor_kind})"
    return {
        "at": entry.at.strftime("%Y-%m-%d %H:%M:%S"),
        "who": who,
        "address": entry.address,
        "action": entry.action,
        "object": entry.object_name,
        "changes": ", ".join(_list_changes(entry)),
    }


def _list_changes(entry: AuditEntry) -> Iterator[str]:
    for name in {**entry.before, **entry.after}:
        if name == EVENT_IDS:
            continue
        before, after = entry.before.get(name, ""), entry.after.get(name, "")
        yield f"{name}: {before} -> {after}" if before else f"{name}: {after}"
