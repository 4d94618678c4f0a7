"""Commands that change many requests at once, chosen by a filter."""

from collections.abc import Callable

import click
from flask.cli import with_appcontext

from callevents.cli.hook_bulk_run import run_bulk
from callevents.cli.only_if import CONDITIONS, ONLY_IF_HELP, parse_conditions
from callevents.cli.output import (
    Command,
    dry_run_option,
    handle_errors,
    json_option,
)
from callevents.cli.where import event_ids_argument, read_selection, where_option
from callevents.conditions import Conditions
from callevents.errors import InvalidError, NotFoundError
from callevents.hooks.bulk.changes import MoveToReceiver, ReplaceUrl, SetPolicy
from callevents.hooks.bulk.conditions import SetConditions
from callevents.hooks.bulk.copy import CopyTo
from callevents.hooks.options import GIVE_UP_CHOICES
from callevents.hooks.selection import find_receivers_for
from callevents.pbxs.extension_numbers import find_by_numbers, read_numbers

drop_option = click.option(
    "--drop-secrets",
    is_flag=True,
    help="Also change requests with credentials or headers for another host: remove these, and "
    "suspend the requests until you enter them again.",
)


def bulk_command(name: str) -> Callable[[Command], click.Command]:
    """Make a command that takes Event IDs or a filter, with --dry-run and --json."""

    def add(command: Command) -> click.Command:
        for decorate in (handle_errors, with_appcontext, json_option, dry_run_option, where_option):
            command = decorate(command)
        return click.command(name)(command)

    return add


@bulk_command("replace-url")
@event_ids_argument
@click.option("--find", required=True, help="Text to find in URLs.")
@click.option("--replace-with", "replacement", required=True, help="Text that replaces it.")
@drop_option
def replace_url(
    event_ids: tuple[str, ...],
    find: str,
    replacement: str,
    drop_secrets: bool,
    where: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Replace a part of the URLs of requests."""
    change = ReplaceUrl(find, replacement, drops_secrets=drop_secrets)
    run_bulk(read_selection(event_ids, where), change, "Changed", dry_run=dry_run, as_json=as_json)


@bulk_command("policy")
@event_ids_argument
@click.option(
    "--give-up-after",
    type=click.Choice([name for name, _label in GIVE_UP_CHOICES.values()]),
    help="No attempt starts when a delivery is older than this.",
)
@click.option(
    "--order/--no-order",
    "in_order",
    default=None,
    help="Send requests of the same call in order.",
)
def set_policy(
    event_ids: tuple[str, ...],
    give_up_after: str | None,
    in_order: bool | None,
    where: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change when requests are given up, and their order."""
    times = {name: seconds for seconds, (name, _label) in GIVE_UP_CHOICES.items()}
    change = SetPolicy(times[give_up_after] if give_up_after else None, in_order)
    run_bulk(read_selection(event_ids, where), change, "Changed", dry_run=dry_run, as_json=as_json)


@bulk_command("conditions")
@event_ids_argument
@click.option("--only-if", "only_if", multiple=True, metavar="NAME=VALUE", help=ONLY_IF_HELP)
@click.option(
    "--remove",
    "removed",
    multiple=True,
    type=click.Choice(list(CONDITIONS)),
    help="Remove this condition; can be repeated.",
)
def set_conditions(
    event_ids: tuple[str, ...],
    only_if: tuple[str, ...],
    removed: tuple[str, ...],
    where: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Set or remove conditions of requests; each keeps its others."""
    given, none = parse_conditions(only_if), Conditions()
    fields = list(CONDITIONS.values())
    values = {
        one: getattr(given, one) for one in fields if getattr(given, one) != getattr(none, one)
    }
    for name in removed:
        if CONDITIONS[name] in values:
            raise click.UsageError(f"Pass {name} to --only-if or to --remove, not to both.")
        values[CONDITIONS[name]] = getattr(none, CONDITIONS[name])
    change = SetConditions(values)
    run_bulk(read_selection(event_ids, where), change, "Changed", dry_run=dry_run, as_json=as_json)


@bulk_command("move")
@click.argument("receiver")
@event_ids_argument
@drop_option
def move(
    receiver: str,
    event_ids: tuple[str, ...],
    drop_secrets: bool,
    where: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Move requests to RECEIVER: their URLs then begin with its address."""
    selection = read_selection(event_ids, where)
    possible = {one.slug: one for one in find_receivers_for(selection.load())}
    if receiver not in possible:
        raise NotFoundError(f"There is no receiver {receiver!r} that these requests could use.")
    change = MoveToReceiver(possible[receiver], drops_secrets=drop_secrets)
    run_bulk(selection, change, "Moved", dry_run=dry_run, as_json=as_json)


@bulk_command("copy")
@event_ids_argument
@click.option(
    "--to", required=True, help="Extensions, for example 101,103 or 100-139, of the same PBX."
)
def copy(
    event_ids: tuple[str, ...], to: str, where: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Copy requests to other extensions of their PBX, with their secrets."""
    selection = read_selection(event_ids, where)
    numbers = read_numbers(to, "to")
    pbxs = {hook.pbx_id: hook.pbx for hook in selection.load()}
    if len(pbxs) > 1:
        raise InvalidError.of("to", "Choose requests of one PBX: copies stay within it.")
    found = [one for pbx in pbxs.values() for one in find_by_numbers(pbx, numbers, "to")]
    change = CopyTo(found) if pbxs else CopyTo([])
    run_bulk(selection, change, "Made", dry_run=dry_run, as_json=as_json)


#: Of the group `hooks`.
COMMANDS = (replace_url, set_policy, set_conditions, move, copy)
