"""Options of `flask hooks set` for delivery, content and authentication of the request."""

import sys
from typing import Any

import click

from callevents.cli.only_if import ONLY_IF_HELP, format_conditions, parse_conditions
from callevents.cli.output import Command, Values
from callevents.delivery.request.option_texts import (
    ANSWER_EXAMPLE,
    MAP_EXAMPLE,
    format_maps,
    parse_answers,
    parse_maps,
)
from callevents.enums import AuthKind, BodyFormat, HookScope, MissingAnswer, ParameterSet
from callevents.hooks.options import (
    GIVE_UP_CHOICES,
    Answers,
    BodyTemplate,
    Credentials,
    CustomHeader,
    HookOptions,
)

#: Instead of a secret: prompt for it, or read it from standard input. A secret on the command line
#: ends up in the shell history and in the process list.
PROMPT = "-"
JSON = "application/json"

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
        help="Body: form (the default), json or template. GET has none; DELETE only a template.",
    ),
    click.option(
        "--template",
        type=click.File(encoding="utf-8"),
        help="File with the body's template, - for standard input. Sets --body template.",
    ),
    click.option(
        "--content-type",
        metavar="TYPE",
        help=f"Content type of the template; {JSON} by default.",
    ),
    click.option(
        "--map",
        "maps",
        multiple=True,
        metavar="'NAME: VALUE = OTHER'",
        help=f"Value map, such as '{MAP_EXAMPLE}'; can be repeated.",
    ),
    click.option(
        "--parameters",
        type=click.Choice(list(map(str, ParameterSet))),
        default=str(ParameterSet.ALL),
        show_default=True,
        help="Parameters to send: all, VoipNow's ten, or none.",
    ),
    click.option(
        "--once-per-call",
        is_flag=True,
        help="Send it once per call, and not for each extension that the call reaches.",
    ),
    click.option("--only-if", "only_if", multiple=True, metavar="NAME=VALUE", help=ONLY_IF_HELP),
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
    click.option(
        "--scheme",
        metavar="'SCHEME TOKEN'",
        help="Another scheme, such as 'token KEY:SECRET'; 'token -' prompts, as above.",
    ),
    click.option(
        "--auth-of-receiver/--no-auth-of-receiver",
        "of_receiver",
        default=None,
        help="Authentication of the receiver. A request that has it keeps it, unless you pass "
        "another or --no-auth-of-receiver.",
    ),
    click.option(
        "--keep",
        multiple=True,
        metavar="'NAME = POINTER'",
        help=f"Keep a value of the JSON answer, such as '{ANSWER_EXAMPLE}'; can be repeated. For "
        "requests of a receiver.",
    ),
    click.option(
        "--if-missing",
        type=click.Choice(list(map(str, MissingAnswer))),
        default=str(MissingAnswer.FAIL),
        show_default=True,
        help="If a value kept from an earlier answer is missing: fail, or send it empty.",
    ),
)


def hook_options(command: Command) -> Command:
    """Add the options to a command, which passes them to `parse_options`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def parse_options(**given: Any) -> HookOptions:
    """Return the hook options that the command line gives."""
    # Standard input has the template before secrets.
    template = _read_template(given)
    return HookOptions(
        _SECONDS[given["give_up_after"]],
        given["in_order"],
        BodyFormat.TEMPLATE if template.text else BodyFormat(given["body"] or BodyFormat.FORM),
        ParameterSet(given["parameters"]),
        tuple(map(_parse_header, given["headers"])),
        _parse_credentials(given),
        template,
        parse_maps("\n".join(given["maps"])),
        HookScope.CALL if given["once_per_call"] else HookScope.EXTENSION,
        parse_conditions(given["only_if"]),
        Answers(parse_answers("\n".join(given["keep"])), MissingAnswer(given["if_missing"])),
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
        "content_type": options.body_template.content_type,
        "template": options.body_template.text,
        "maps": format_maps(options.value_maps).splitlines(),
        "once_per_call": options.scope is HookScope.CALL,
        "only_if": format_conditions(options.conditions),
        "keep": dict(options.answers.pointers),
        "if_missing": options.answers.missing,
    }


def _read_template(given: Values) -> BodyTemplate:
    file, content_type, body = given["template"], given["content_type"], given["body"]
    if file is None and body == BodyFormat.TEMPLATE:
        raise click.UsageError("--body template needs --template with a file, or - for a pipe.")
    if file is None and content_type:
        raise click.UsageError("--content-type is that of a template: add --template.")
    if file is None:
        return BodyTemplate()
    if body not in (None, BodyFormat.TEMPLATE):
        raise click.UsageError(f"--template and --body {body} cannot be used together.")
    try:
        text = file.read()
    except UnicodeDecodeError:
        raise click.UsageError("--template must be text in UTF-8.") from None
    if not text.strip():
        raise click.UsageError("--template is empty.")
    return BodyTemplate(content_type or JSON, text)


def _parse_header(text: str) -> CustomHeader:
    name, colon, value = text.partition(":")
    if not colon:
        # The text is not quoted: without a colon it may be a secret.
        raise click.UsageError("--header needs a name and a value: 'X-Api-Key: abc'.")
    return CustomHeader(name, read_hidden(value.strip(), f"Value of {name}"))


def _parse_credentials(options: Values) -> Credentials:
    basic, bearer, scheme = options["basic"], options["bearer"], options["scheme"]
    of_receiver = options["of_receiver"] or None
    if sum(given is not None for given in (basic, bearer, scheme, of_receiver)) > 1:
        raise click.UsageError(
            "--basic, --bearer, --scheme and --auth-of-receiver cannot be used together."
        )
    if of_receiver:
        return Credentials(AuthKind.RECEIVER)
    if scheme is not None:
        name, _space, token = scheme.strip().partition(" ")
        return Credentials(AuthKind.SCHEME, name, read_hidden(token.strip(), "Token"))
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
