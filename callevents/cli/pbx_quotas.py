"""The options and the output of a PBX's quotas."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from callevents.cli.output import Values
from callevents.pbxs import quotas
from callevents.pbxs.quotas import Usage

HELP = {
    "max_events_per_minute": "Call events accepted in a minute over HTTP; none: no limit.",
    "max_open_deliveries": "While so many deliveries wait, reports are rejected; none: no limit.",
    "max_extensions": "Extensions it may have; none: no limit.",
    "max_hooks": "Requests it may have; none: no limit.",
}


def quota_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each quota, which gives a text for `read_quotas`."""
    for name, text in reversed(HELP.items()):
        option = f"--{_public_name(name).replace('_', '-')}"
        command = click.option(option, name, metavar="NUMBER", callback=_read, help=text)(command)
    return command


def describe_usage(usage: Sequence[Usage]) -> list[str]:
    """Return a line for each quota."""
    return [f"{one.label}: {one.text}{', no limit' * (one.limit is None)}" for one in usage]


def usage_values(usage: Sequence[Usage]) -> Values:
    """Return the quotas as printed with --json."""
    return {_public_name(one.name): {"used": one.used, "limit": one.limit} for one in usage}


def _public_name(column: str) -> str:
    """Return the name of a quota for users, who know hooks as requests."""
    return column.replace("hooks", "requests")


def _read(_context: object, _option: object, value: str | None) -> Any:
    """Return the text of a quota, empty for `none`; None if the option is not given."""
    if value is None:
        return None
    text = value.strip().lower()
    if text == "none":
        return ""
    if text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= quotas.MAX_QUOTA:
        return text
    raise click.BadParameter(f"Enter a number from 1 to {quotas.MAX_QUOTA:,}, or none.")
