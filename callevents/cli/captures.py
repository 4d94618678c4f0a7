"""The command that derives call events from a captured stream of a PBX, and only prints them."""

import json
from functools import partial
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from callevents import directory, pbxs
from callevents.cli.answers import reports_errors
from callevents.errors import CallEventsError
from callevents.pbx.extensions import ExtensionSet
from callevents.pbx.replay import SOURCES, Replay, as_line

CHUNK_BYTES = 64 * 1024


@click.command("replay")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--source", type=click.Choice(list(SOURCES)), required=True, help="Whose stream it is."
)
@click.option("--extensions", "numbers", metavar="101,102,...", help="What is an extension.")
@click.option("--pbx", metavar="SLUG", help="Take the extensions of this PBX.")
@with_appcontext
def replay(file: BinaryIO, source: str, numbers: str | None, pbx: str | None) -> None:
    """Print the call events that follow from the captured stream in FILE (- for input).

    Each is a line of JSON. Nothing is stored and nothing is sent.
    """
    run = Replay(source, ExtensionSet(_read_numbers(numbers, pbx)))
    try:
        for event in run.run(iter(partial(file.read, CHUNK_BYTES), b"")):
            click.echo(json.dumps(as_line(event), ensure_ascii=False))
    except CallEventsError as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    if run.broken:
        click.echo(f"Lines or messages that could not be read: {run.broken}.", err=True)
    if run.tracker.running:
        click.echo(
            f"Legs that had not ended when the capture did: {run.tracker.running}.", err=True
        )


def _read_numbers(numbers: str | None, pbx: str | None) -> list[str]:
    if numbers is not None:
        return [number for text in numbers.split(",") if (number := text.strip())]
    if pbx is None:
        raise click.UsageError("Say which extensions: --extensions 101,102 or --pbx SLUG.")
    found: list[str] = _numbers_of(pbx)
    return found


@reports_errors
def _numbers_of(pbx: str) -> list[str]:
    return [extension.number for extension in directory.list_extensions(pbxs.get_pbx(pbx))]
