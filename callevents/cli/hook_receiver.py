"""Options of `flask hooks set` for the receiver of the request."""

from dataclasses import replace

import click

from callevents.cli.output import Command
from callevents.cli.receiver_values import find_named
from callevents.db.models import Hook
from callevents.enums import AuthKind
from callevents.hooks.hooks import HookData
from callevents.hooks.options import Credentials
from callevents.hooks.receiver import find_receiver

_OPTIONS = (
    click.option(
        "--receiver",
        metavar="NAME",
        help="The receiver that it belongs to: the URL begins with its address.",
    ),
    click.option(
        "--no-receiver",
        is_flag=True,
        help="It belongs to no receiver. Without either option, it keeps the one it has.",
    ),
)


def receiver_choice(command: Command) -> Command:
    """Add the options to a command, which passes them to `choose_receiver`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def choose_receiver(
    data: HookData,
    hook: Hook | None,
    *,
    name: str | None,
    has_none: bool,
    keeps_auth: bool,
) -> HookData:
    """Return the data with the chosen receiver, else with that of the hook that is replaced.

    `keeps_auth`: no authentication is chosen, so that of the same receiver stays.
    """
    if name is not None and has_none:
        raise click.UsageError("--receiver and --no-receiver cannot be used together.")
    if name is not None:
        data = data.of(find_named(name), hook)
    elif has_none:
        data = data.of(None, hook)
    else:
        data = data.of(find_receiver(hook) if hook else None, hook)
    if not (keeps_auth and hook and data.keeps_receiver and hook.auth is AuthKind.RECEIVER):
        return data
    return replace(data, options=replace(data.options, credentials=Credentials(hook.auth)))
