"""The commands that capture a PBX's stream, and print the call events that follow from one."""

import json
import os
import signal
import threading
from contextlib import ExitStack
from functools import partial
from io import FileIO
from pathlib import Path

import click
from flask.cli import with_appcontext

from callevents.cli.output import find_settings, reports_errors
from callevents.errors import CallEventsError
from callevents.pbxs import connectors, extensions, pbxs
from callevents.processes.listener.capture import record
from callevents.processes.listener.target import make_target
from callevents.vendors.registry import SOURCES
from callevents.vendors.replay import Replay, as_line
from callevents.vendors.tracking.extension_set import ExtensionSet

CHUNK_BYTES = 64 * 1024


@click.command("replay")
@click.argument("path", metavar="FILE")
@click.option(
    "--source", type=click.Choice(list(SOURCES)), required=True, help="Whose stream it is."
)
@click.option("--extensions", "numbers", metavar="101,102,...", help="What is an extension.")
@click.option("--pbx", metavar="SLUG", help="Take the extensions of this PBX.")
@with_appcontext
def replay(path: str, source: str, numbers: str | None, pbx: str | None) -> None:
    """Print the call events that follow from the captured stream in FILE (- for input).

    Each is a line of JSON. Nothing is stored and nothing is sent.
    """
    run = Replay(source, ExtensionSet(_read_numbers(numbers, pbx)))
    try:
        with click.open_file(path, "rb") as file:
            for event in run.run(iter(partial(file.read, CHUNK_BYTES), b"")):
                click.echo(json.dumps(as_line(event), ensure_ascii=False))
    except CallEventsError as error:
        raise click.ClickException(f"{path}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}.") from None
    _tell_what_was_left(run)


def _tell_what_was_left(run: Replay) -> None:
    """Say on the error output why there may be less than was expected."""
    if run.is_empty:
        click.echo("The capture is empty.", err=True)
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


@click.command("capture")
@click.argument("pbx")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seconds", type=click.FloatRange(min=0), help="End by itself after this time.")
@with_appcontext
@reports_errors
def capture(pbx: str, path: Path, seconds: float | None) -> None:
    """Write what PBX says to its connector into FILE, until Ctrl-C; secrets are left out.

    `flask pbx replay` reads the file. Nothing is stored, and a listener goes on meanwhile.
    """
    found = pbxs.get_pbx(pbx)
    target = make_target(connectors.get_connector(found), found)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if seconds is not None:
        timer = threading.Timer(seconds, stopping.set)
        timer.daemon = True
        timer.start()
    click.echo("Capturing; Ctrl-C ends it.", err=True)
    with _CaptureFile(path) as file:
        messages = record(target, find_settings(), file.write, stopping)
    click.echo(f"{messages} message{'' if messages == 1 else 's'} in {path}", err=True)


class _CaptureFile(ExitStack):
    """A file that is made with the first message: a PBX that cannot be reached empties none."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: FileIO | None = None

    def write(self, data: bytes) -> None:
        try:
            if self._file is None:
                # It has the numbers of those who call, which is nobody else's business.
                private = partial(os.open, mode=0o600)
                self._file = self.enter_context(FileIO(self._path, "w", opener=private))
            self._file.write(data)
        except OSError as error:
            raise click.ClickException(
                f"{self._path} cannot be written: {error.strerror}."
            ) from None


@reports_errors
def _numbers_of(pbx: str) -> list[str]:
    return [extension.number for extension in extensions.list_extensions(pbxs.get_pbx(pbx))]
