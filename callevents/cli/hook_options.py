"""The options of `flask hooks set` that set its options. Secrets can come from standard input."""

import sys
from collections.abc import Iterable

import click

from callevents.cli.output import Command, Values
from callevents.enums import AuthKind, BodyFormat, ParameterSet
from callevents.hooks.options import GIVE_UP_CHOICES, Credentials, CustomHeader, HookOptions

#: In place of a secret: ask for it, or read a line of what is piped in. What is typed on a command
#: line is kept in the shell's history, and shown to everybody who lists processes.
ASK = "-"

_SECONDS = {name: seconds for seconds, (name, _label) in GIVE_UP_CHOICES.items()}
_OPTIONS = (
    click.option(
        "--give-up-after",
        type=click.Choice(list(_SECONDS)),
        default=GIVE_UP_CHOICES[HookOptions().give_up_seconds][0],
        show_default=True,
        help="No attempt starts later.",
    ),
    click.option(
        "--order/--no-order",
        "in_order",
        default=True,
        show_default=True,
        help="Whether requests of one call wait for the one before.",
    ),
    click.option(
        "--body",
        type=click.Choice(list(map(str, BodyFormat))),
        default=str(BodyFormat.FORM),
        show_default=True,
        help="Body of a POST.",
    ),
    click.option(
        "--parameters",
        type=click.Choice(list(map(str, ParameterSet))),
        default=str(ParameterSet.ALL),
        show_default=True,
        help="Which parameters are sent: all, VoipNow's ten, or none.",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="An own header; may be repeated. The value - is asked for, or read from a pipe.",
    ),
    click.option(
        "--basic", metavar="USER:PASSWORD", help="Basic authentication; USER:- asks, as above."
    ),
    click.option("--bearer", metavar="TOKEN", help="Bearer authentication; - asks, as above."),
)


def hook_options(command: Command) -> Command:
    """Give the command the options; it passes them to `parse_options`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_options(
    *,
    give_up_after: str,
    in_order: bool,
    body: str,
    parameters: str,
    headers: Iterable[str],
    basic: str | None,
    bearer: str | None,
) -> HookOptions:
    """Return the hook options that the command line gives."""
    if basic is not None and bearer is not None:
        raise click.UsageError("--basic and --bearer cannot be used together.")
    return HookOptions(
        _SECONDS[give_up_after],
        in_order,
        BodyFormat(body),
        ParameterSet(parameters),
        tuple(map(_header, headers)),
        _credentials(basic, bearer),
    )


def to_values(options: HookOptions) -> Values:
    """Return the options as the commands print them, without secrets."""
    return {
        "give_up_after": GIVE_UP_CHOICES[options.give_up_seconds][0],
        "in_order": options.in_order,
        "body": options.body_format,
        "parameters": options.parameters,
        "headers": [header.name for header in options.headers],
        "auth": options.credentials.kind,
    }


def _header(text: str) -> CustomHeader:
    name, colon, value = text.partition(":")
    if not colon:
        # Not repeated: what has no colon may be a secret.
        raise click.UsageError("--header needs a name and a value: 'X-Api-Key: abc'.")
    return CustomHeader(name, _secret(value.strip(), f"Value of {name}"))


def _credentials(basic: str | None, bearer: str | None) -> Credentials:
    if basic is not None:
        username, _colon, password = basic.partition(":")
        return Credentials(AuthKind.BASIC, username, _secret(password, f"Password of {username}"))
    if bearer is not None:
        return Credentials(AuthKind.BEARER, secret=_secret(bearer, "Token"))
    return Credentials()


def _secret(given: str, what: str) -> str:
    """Return the secret that was given, asked for, or piped in as the next line."""
    if given != ASK:
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt(what, hide_input=True, err=True))
