"""`flask hooks show`: all values of one request."""

from typing import Any

import click

from callevents.cli.hooks import to_values_with_options
from callevents.cli.output import Values, handle_errors, json_option, print_result, to_text
from callevents.hooks import queries

#: Of values that have several lines.
INDENT = "    "


@click.command("show")
@click.argument("event_id")
@json_option
@handle_errors
def show_hook(event_id: str, as_json: bool) -> None:
    """Show a request with all its options, without secrets."""
    values = to_values_with_options(queries.get_hook(event_id))
    print_result(values, _as_text(values), as_json)


def _as_text(values: Values) -> str:
    width = max(map(len, values))
    return "\n".join(_line(name.ljust(width), _show(value)) for name, value in values.items())


def _line(name: str, text: str) -> str:
    return f"{name.rstrip()}{text}" if text.startswith("\n") else f"{name}  {text}".rstrip()


def _show(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{name} = {one}" for name, one in value.items()]
    text = "\n".join(value) if isinstance(value, list) else to_text(value)
    return "".join(f"\n{INDENT}{line}" for line in text.splitlines()) if "\n" in text else text
