"""Commands for receivers: add, list, show, set, remove, connect, disconnect."""

from collections import Counter
from typing import Any

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.cli.receiver_options import parse_changes, receiver_options
from callevents.cli.receiver_values import find_named, print_receiver, to_row, to_values
from callevents.counted import counted
from callevents.db.models import Extension, Hook, Pbx
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.db.session import begin_write
from callevents.delivery.hold import describe_waiting
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.pbxs import extensions, pbxs
from callevents.receivers import receivers
from callevents.receivers.changing import make_changed, make_new
from callevents.receivers.connect import Connected, connect, disconnect

group = AppGroup("receivers", help="Add receivers, and connect extensions to them.")


@group.command("add")
@click.argument("name")
@click.option("--recipe", help="Its recipe; `flask recipes list` lists them.")
@click.option("--pbx", help="Only requests of this PBX can use it.")
@receiver_options
@json_option
@handle_errors
def add_receiver(
    name: str, recipe: str | None, pbx: str | None, as_json: bool, **given: Any
) -> None:
    """Add a receiver, by a recipe or by its address."""
    changes = parse_changes(given)
    begin_write()
    pbx_id = pbxs.get_pbx(pbx).id if pbx else None
    if not (recipe or changes.address):
        raise click.UsageError("Pass --recipe or --address.")
    data = make_new(name, recipe or "", pbx_id, changes)
    receiver = receivers.create_receiver(data)
    db.session.commit()
    text = (
        f"Added receiver {receiver.name!r}. Its name in commands is {receiver.slug}.\n"
        f"Connect extensions: flask receivers connect {receiver.slug} PBX EXTENSION..."
    )
    print_result(to_values(receiver), text, as_json)


@group.command("list")
@json_option
@handle_errors
def list_receivers(as_json: bool) -> None:
    """List the receivers and their state."""
    print_list(receivers.list_receivers(), to_values if as_json else to_row, as_json)


@group.command("show")
@click.argument("receiver")
@json_option
@handle_errors
def show_receiver(receiver: str, as_json: bool) -> None:
    """Show a receiver, without its secrets, and its state."""
    print_receiver(find_named(receiver), as_json)


@group.command("set")
@click.argument("receiver")
@click.option("--name", help="Another name; its name in commands stays.")
@click.option("--unset", multiple=True, metavar="KEY", help="Remove a value; can be repeated.")
@receiver_options
@json_option
@handle_errors
def set_receiver(
    receiver: str, name: str | None, unset: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Change a receiver. Options that you omit keep their value.

    If its address changes, so do the URLs of all its requests.
    """
    changes = parse_changes(given, name=name, removed=frozenset(unset))
    begin_write()
    found = find_named(receiver)
    done = receivers.update_receiver(found, make_changed(found, changes))
    db.session.commit()
    wake()
    if done.moved and not as_json:
        click.echo(f"Changed the URLs of {counted(done.moved, 'request')}.", err=True)
    if done.resumed and not as_json:
        click.echo(f"Resumed {counted(done.resumed, 'request')}.", err=True)
    print_receiver(found, as_json)


@group.command("remove")
@click.argument("receiver")
@json_option
@handle_errors
def remove_receiver(receiver: str, as_json: bool) -> None:
    """Remove a receiver that has no requests."""
    begin_write()
    found = find_named(receiver)
    name, slug = found.name, found.slug
    receivers.remove_receiver(found)
    db.session.commit()
    print_result({"removed": slug}, f"Removed receiver {name!r}.", as_json)


@group.command("connect")
@click.argument("receiver")
@click.argument("pbx")
@click.argument("numbers", nargs=-1, required=True, metavar="EXTENSION...")
@click.option(
    "--request",
    "requests",
    multiple=True,
    help="A request of the recipe, instead of the default ones; can be repeated.",
)
@json_option
@handle_errors
def connect_extensions(
    receiver: str, pbx: str, numbers: tuple[str, ...], requests: tuple[str, ...], as_json: bool
) -> None:
    """Make the requests of the receiver's recipe for extensions (* for all).

    Requests that exist already stay as they are.
    """
    begin_write()
    found = find_named(receiver)
    of_pbx = pbxs.get_pbx(pbx)
    connected = connect(found, of_pbx, _find_extensions(of_pbx, numbers), requests or None)
    db.session.commit()
    wake()
    values = {
        "created": [_hook_values(hook) for hook in connected.created],
        "kept": [_hook_values(hook) for hook in connected.kept],
        "change": connected.change_id,
    }
    print_result(values, _describe(connected), as_json)


@group.command("disconnect")
@click.argument("receiver")
@click.argument("pbx")
@click.argument("numbers", nargs=-1, metavar="[EXTENSION]...")
@json_option
@handle_errors
def disconnect_extensions(receiver: str, pbx: str, numbers: tuple[str, ...], as_json: bool) -> None:
    """Clear the receiver's requests of these extensions, or all of the PBX."""
    begin_write()
    found = find_named(receiver)
    of_pbx = pbxs.get_pbx(pbx)
    chosen = _find_extensions(of_pbx, numbers) if numbers else None
    removed = disconnect(found, of_pbx, chosen)
    db.session.commit()
    wake()
    text = f"Cleared {counted(removed.hooks, 'request')}."
    if removed.waiting:
        text += f" {describe_waiting(removed.waiting)} cancelled."
    if removed.id:
        text += f"\nTo undo this within 30 seconds: flask hooks undo {removed.id}"
    values = {"requests": removed.hooks, "waiting": removed.waiting, "removal": removed.id}
    print_result(values, text, as_json)


def _find_extensions(pbx: Pbx, numbers: tuple[str, ...]) -> list[Extension] | None:
    """Return the extensions with these numbers, None for all; raises InvalidError."""
    if ALL_EXTENSIONS in numbers:
        if len(numbers) > 1:
            raise InvalidError.of("extensions", "* stands for all. Pass it alone.")
        return None
    found = {one.number: one for one in extensions.list_extensions(pbx)}
    if missing := [number for number in numbers if number not in found]:
        raise InvalidError.of(
            "extensions", f"{pbx.name} has no extension {', '.join(missing[:20])}."
        )
    return [found[number] for number in dict.fromkeys(numbers)]


def _hook_values(hook: Hook) -> Values:
    return {
        "event_id": hook.event_id,
        "extension": hook.extension.number if hook.extension else ALL_EXTENSIONS,
        "event": hook.event_type.slug,
        "request": hook.recipe_request,
    }


def _describe(connected: Connected) -> str:
    created, kept = len(connected.created), len(connected.kept)
    events = Counter(hook.recipe_request for hook in connected.created)
    parts = ", ".join(f"{count} {name}" for name, count in events.items())
    text = f"Created {counted(created, 'request')}"
    text += f" ({parts})." if parts else "."
    text += f" {kept:,} existed already." if kept else ""
    if connected.change_id:
        text += f"\nTo undo this within half an hour: flask hooks undo {connected.change_id}"
    return text
