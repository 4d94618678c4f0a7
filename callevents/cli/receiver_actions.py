"""Commands for receivers: test, users, recover."""

import sys
from collections.abc import Mapping
from typing import BinaryIO

import click

from callevents.cli.deliveries import print_counts, resend_matching
from callevents.cli.delivery_filters import parse_time
from callevents.cli.output import dry_run_option, handle_errors, json_option, print_result
from callevents.cli.receiver_values import find_named
from callevents.counted import counted
from callevents.csv_rows import decode
from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.receivers import users
from callevents.receivers.fetching import fetch_users
from callevents.receivers.status import failed_since
from callevents.receivers.test_request import send_receiver_test

#: Tests of commands are not those of a user.
NO_USER = 0


@click.command("test")
@click.argument("receiver")
@click.option("--pbx", help="Of the example call; by default the first PBX that can use it.")
@click.option("--extension", default="", help="Of the example call.")
@click.option("--request", default="", help="A request of the recipe; by default that of its test.")
@json_option
@handle_errors
def test_receiver(
    receiver: str, pbx: str | None, extension: str, request: str, as_json: bool
) -> None:
    """Send the recipe's test request for an example call, and print the response."""
    found = find_named(receiver)
    of_pbx = pbxs.get_pbx(pbx) if pbx else found.pbx or _first_pbx()
    test = send_receiver_test(found, of_pbx, NO_USER, extension=extension, request=request)
    response = test.response
    values = {
        "request": test.request,
        "successful": response.is_success,
        "status_code": response.status_code,
        "error": response.error,
        "body": response.body,
        "shows": test.shows,
    }
    state = f"{response.status_code or 'no response'}, {response.duration_ms} ms"
    lines = [f"{test.request}: {state}", response.error, response.body[:2000]]
    if response.is_success and test.shows:
        lines.append(f"Look at the receiver: {test.shows}")
    print_result(values, "\n".join(line for line in lines if line), as_json)
    if not response.is_success:
        sys.exit(1)


@click.command("users")
@click.argument("receiver")
@click.argument("pbx")
@click.option("--set", "pairs", multiple=True, metavar="EXTENSION=USER", help="Empty removes it.")
@click.option(
    "--import",
    "file",
    type=click.File("rb"),
    metavar="FILE",
    help="Replace the whole map with a CSV file; - reads stdin.",
)
@click.option(
    "--fetch",
    is_flag=True,
    help="Add the users that the receiver lists, if its recipe can fetch them.",
)
@dry_run_option
@json_option
@handle_errors
def edit_users(
    receiver: str,
    pbx: str,
    pairs: tuple[str, ...],
    file: BinaryIO | None,
    fetch: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Print or change the user map: who an extension is in the receiver.

    It is printed as CSV, which --import reads.
    """
    found, of_pbx = find_named(receiver), pbxs.get_pbx(pbx)
    fetched = fetch_users(found, of_pbx, NO_USER) if fetch else {}
    imported = users.parse_users(decode(file.read(), field="users")) if file else None
    given = dict(map(_parse_pair, pairs))
    if not (fetch or file or pairs):
        _print(users.list_users(found, of_pbx), as_json)
        return
    begin_write()
    current = imported if imported is not None else users.list_users(found, of_pbx)
    wanted = {number: user for number, user in {**current, **fetched, **given}.items() if user}
    changed = users.replace_users(found, of_pbx, wanted)
    if dry_run:
        db.session.rollback()
    else:
        db.session.commit()
    _print(wanted, as_json)
    if not as_json:
        verb = "would differ" if dry_run else "changed"
        click.echo(f"{counted(changed, 'entry')} {verb}.", err=True)


@click.command("recover")
@click.argument("receiver")
@click.option("--since", metavar="TIME", required=True, help="Created since: 2h, or an ISO time.")
@dry_run_option
@json_option
@handle_errors
def recover(receiver: str, since: str, dry_run: bool, as_json: bool) -> None:
    """Resend the failed deliveries of all requests of a receiver."""
    wanted = failed_since(find_named(receiver), parse_time(since))
    counts = resend_matching(wanted, dry_run=dry_run)
    print_counts(counts, "Resent", "Would resend", dry_run=dry_run, as_json=as_json)


def _first_pbx() -> Pbx:
    found = pbxs.list_pbxs()
    if not found:
        raise InvalidError.of("pbx", "There is no PBX yet. Add one: flask pbx add NAME")
    return found[0]


def _parse_pair(text: str) -> tuple[str, str]:
    number, equals, user = text.partition("=")
    if not equals or not number.strip():
        raise click.UsageError("--set needs an extension and a user: 101=anna@example.com.")
    return number.strip(), user.strip()


def _print(found: Mapping[str, str], as_json: bool) -> None:
    print_result(dict(found), users.write_users(found).rstrip("\n"), as_json)
