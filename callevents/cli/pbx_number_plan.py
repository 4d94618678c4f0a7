"""The number plan of a PBX, as commands set it."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from callevents.db.models import Pbx
from callevents.pbxs.number_plan import FIELDS, set_number_plan


def number_plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the number plan."""
    for name, help_text in reversed(
        (
            ("country", "Country of its numbers, in two letters, for example RO; empty: none."),
            ("outside-prefix", "Digits dialed before outside numbers; they are removed."),
            ("trunk-prefix", "Digits that trunks put before numbers; they are removed."),
            ("internal-lengths", "Lengths of internal numbers in digits, for example 3,4."),
        )
    ):
        command = click.option(f"--{name}", help=help_text)(command)
    return command


def take_number_plan(given: dict[str, str | None]) -> dict[str, str]:
    """Remove the options of the number plan from the given ones, and return those with a value."""
    found = {name: given.pop(name) for name in FIELDS}
    return {name: value for name, value in found.items() if value is not None}


def change_number_plan(pbx: Pbx, given: Mapping[str, str]) -> None:
    """Set what is given; the rest stays. Raises InvalidError."""
    set_number_plan(pbx, **{name: given.get(name, getattr(pbx, name)) for name in FIELDS})


def number_plan_values(pbx: Pbx) -> dict[str, str]:
    """Return the number plan for JSON."""
    return {name: getattr(pbx, name) for name in FIELDS}
