"""Options of `flask hooks set` for delivery, content and authentication of the request."""

import sys
from collections.abc import Iterable

import click

from callevents.cli.output import Command, Values
from callevents.enums import AuthKind, BodyFormat, ParameterSet
from callevents.hooks.options import GIVE_UP_CHOICES, Credentials, CustomHeader, HookOptions

#: Instead of a secret: prompt for it, or read it from standard input. A secret on the command line
#: ends up in the shell history and in the process list.
PROMPT = "-"

_SECONDS = {name: seconds for seconds, (name, _label) in GIVE_UP_CHOICES.items()}
_OPTIONS = (
    click.option(
        "--give-up-after",
        type=click.Choice(list(_SECONDS)),
        default=GIVE_UP_CHOICES[HookOptions().give_up_seconds][0],
        show_default=True,
        help="Stop retrying after this time.",
    ),
    click.option(
        "--order/--no-order",
        "in_order",
        default=True,
        show_default=True,
        help="Send requests of the same call in order.",
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
        help="Parameters to send: all, VoipNow's ten, or none.",
    ),
    click.option(
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="Custom header; can be repeated. The value - prompts for it, or reads it from a pipe.",
    ),
    click.option(
        "--basic", metavar="USER:PASSWORD", help="Basic authentication; USER:- prompts, as above."
    ),
    click.option("--bearer", metavar="TOKEN", help="Bearer authentication; - prompts, as above."),
)


def hook_options(command: Command) -> Command:
    """Add the options to a command, which passes them to `parse_options`."""
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
        tuple(map(_parse_header, headers)),
        _parse_credentials(basic, bearer),
    )


def option_values(options: HookOptions) -> Values:
    """Return the options as the commands print them, without secrets."""
    return {
        "give_up_after": GIVE_UP_CHOICES[options.give_up_seconds][0],
        "in_order": options.in_order,
        "body": options.body_format,
        "parameters": options.parameters,
        "headers": [header.name for header in options.headers],
        "auth": options.credentials.kind,
    }


def _parse_header(text: str) -> CustomHeader:
    name, colon, value = text.partition(":")
    if not colon:
        # The text is not quoted: without a colon it may be a secret.
        raise click.UsageError("--header needs a name and a value: 'X-Api-Key: abc'.")
    return CustomHeader(name, read_hidden(value.strip(), f"Value of {name}"))


def _parse_credentials(basic: str | None, bearer: str | None) -> Credentials:
    if basic is not None:
        username, _colon, password = basic.partition(":")
        return Credentials(
            AuthKind.BASIC, username, read_hidden(password, f"Password of {username}")
        )
    if bearer is not None:
        return Credentials(AuthKind.BEARER, secret=read_hidden(bearer, "Token"))
    return Credentials()


def read_hidden(given: str, label: str) -> str:
    """Return the given secret; `-` prompts for it, or reads the next line of a pipe."""
    if given != PROMPT:
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt(label, hide_input=True, err=True))
