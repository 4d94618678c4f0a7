"""Options of `flask receivers add` and `flask receivers set`."""

from collections.abc import Iterable, Mapping
from typing import Any

import click

from callevents.cli.hook_options import read_hidden
from callevents.cli.output import Command, read_file
from callevents.enums import ReceiverAuth
from callevents.receivers.changing import ReceiverChanges

_OPTIONS = (
    click.option("--address", metavar="URL", help="What the URLs of its requests begin with."),
    click.option(
        "--set",
        "values",
        multiple=True,
        metavar="KEY=VALUE",
        help="Answer to a question of the recipe, or a value for {receiver.KEY}; can be repeated. "
        "The value - prompts for it, or reads it from a pipe.",
    ),
    click.option(
        "--set-secret",
        "secrets",
        multiple=True,
        metavar="KEY=VALUE",
        help="The same, for a value that is never shown. A recipe says which these are.",
    ),
    click.option(
        "--auth", type=click.Choice(list(map(str, ReceiverAuth))), help="How requests authenticate."
    ),
    click.option(
        "--credential",
        "credentials",
        multiple=True,
        metavar="NAME=VALUE",
        help="Part of the authentication, such as token=ABC; can be repeated; - prompts.",
    ),
    click.option("--certificate", metavar="FILE", help="Client certificate in PEM."),
    click.option("--key", metavar="FILE", help="Private key of the client certificate in PEM."),
    click.option(
        "--max-in-flight",
        type=click.IntRange(min=0),
        help="Maximum number of requests at once, for each worker; 0: no limit.",
    ),
    click.option(
        "--max-per-second",
        type=click.FloatRange(min=0),
        help="Maximum number of requests a second, all workers together; 0: no limit.",
    ),
)


def receiver_options(command: Command) -> Command:
    """Add the options to a command, which passes them to `parse_changes`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_changes(given: Mapping[str, Any], **more: Any) -> ReceiverChanges:
    """Return what the command line gives; `more`: other fields of the changes."""
    secrets = _parse_pairs(given["secrets"], "--set-secret")
    certificate, key = given["certificate"], given["key"]
    return ReceiverChanges(
        address=given["address"],
        values={**_parse_pairs(given["values"], "--set"), **secrets},
        secret_names=frozenset(secrets),
        auth=ReceiverAuth(given["auth"]) if given["auth"] else None,
        credentials=_parse_pairs(given["credentials"], "--credential"),
        client_certificate=None if certificate is None else read_file(certificate),
        client_key=None if key is None else read_file(key),
        max_in_flight=given["max_in_flight"],
        max_per_second=given["max_per_second"],
        **more,
    )


def _parse_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            # The text is not quoted: it may be a secret.
            raise click.UsageError(f"{option} needs a name and a value: token=abc.")
        if name in pairs:
            raise click.UsageError(f"{option} {name} is given twice.")
        pairs[name] = read_hidden(value, name)
    return pairs
