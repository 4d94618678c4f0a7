"""Commands that capture the event stream of a PBX, and print the call events in a capture."""

import json
import os
import signal
import threading
from collections.abc import Collection
from contextlib import ExitStack
from functools import partial
from io import FileIO
from itertools import islice
from pathlib import Path

import click
from flask.cli import with_appcontext

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.cli.output import get_settings, handle_errors
from callevents.counted import counted
from callevents.db.session import begin_write
from callevents.errors import CallEventsError
from callevents.extensions import db
from callevents.pbxs import connectors, extensions, pbxs
from callevents.processes.listener.capture import record
from callevents.processes.listener.target import make_target
from callevents.vendors.asterisk.session import explain_forged
from callevents.vendors.registry import SOURCES
from callevents.vendors.replay import Replay, WatchedExtensionSet, as_line

CHUNK_BYTES = 64 * 1024
MAX_SHOWN_PHONES = 20


@click.command("replay")
@click.argument("path", metavar="FILE")
@click.option("--source", type=click.Choice(list(SOURCES)), required=True, help="Type of the PBX.")
@click.option("--extensions", "numbers", metavar="101,102,...", help="Numbers that are extensions.")
@click.option("--pbx", metavar="SLUG", help="Use the extensions of this PBX.")
@with_appcontext
def replay(path: str, source: str, numbers: str | None, pbx: str | None) -> None:
    """Print the call events of a capture.

    FILE is a captured event stream, - is standard input. Each call event is a line of JSON.
    Nothing is stored or sent.
    """
    watched, name = _get_extensions(numbers, pbx)
    run = Replay(source, watched)
    count = 0
    try:
        with click.open_file(path, "rb") as file:
            for event in run.run(iter(partial(file.read, CHUNK_BYTES), b"")):
                click.echo(json.dumps(as_line(event), ensure_ascii=False))
                count += 1
    except CallEventsError as error:
        raise click.ClickException(f"{path}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"Cannot read {path}: {error.strerror}.") from None
    if not count and not run.is_empty:
        click.echo(_explain_none(name, watched.seen), err=True)
    _print_warnings(run)


def _explain_none(name: str, seen: Collection[str]) -> str:
    """Return why a capture has no call events of these extensions: which phones it has."""
    shown = ", ".join(islice(seen, MAX_SHOWN_PHONES))
    more = f" and {len(seen) - MAX_SHOWN_PHONES:,} more" if len(seen) > MAX_SHOWN_PHONES else ""
    phones = f"Phones in the capture: {shown}{more}." if seen else "The capture has no phones."
    return f"No call events of {name}. {phones}"


def _print_warnings(run: Replay) -> None:
    """Print to standard error why there may be fewer call events than expected."""
    if run.is_empty:
        click.echo("The capture is empty.", err=True)
    if run.broken:
        click.echo(f"Malformed lines or messages skipped: {run.broken}.", err=True)
    if run.forged:
        click.echo(explain_forged(run.forged), err=True)
    if run.tracker.running:
        click.echo(f"Legs still active at the end of the capture: {run.tracker.running}.", err=True)


def _get_extensions(numbers: str | None, pbx: str | None) -> tuple[WatchedExtensionSet, str]:
    """Return the extensions, and what to call them."""
    if numbers is not None:
        given = [number for text in numbers.split(",") if (number := text.strip())]
        return WatchedExtensionSet(given), ", ".join(given) or "no extension"
    if pbx is None:
        raise click.UsageError("Pass the extensions: --extensions 101,102 or --pbx SLUG.")
    found: WatchedExtensionSet = _read_extensions(pbx)
    return found, f"the extensions of {pbx}"


@click.command("capture")
@click.argument("pbx")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop automatically after this time.")
@with_appcontext
@handle_errors
def capture(pbx: str, path: Path, seconds: float | None) -> None:
    """Capture the event stream of PBX in FILE, until Ctrl-C.

    Secrets are removed. `flask pbx replay` reads the file. Call events are neither stored nor
    sent, and a listener that reads the same PBX is not disturbed.
    """
    begin_write()
    found = pbxs.get_pbx(pbx)
    target = make_target(connectors.get_connector(found), found)
    audit.record(audit.Action.EXPORT_MADE, of_pbx(found), after={"of": "its event stream"})
    db.session.commit()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if seconds is not None:
        timer = threading.Timer(seconds, stopping.set)
        timer.daemon = True
        timer.start()
    click.echo("Capturing. Press Ctrl-C to stop.", err=True)
    with _CaptureFile(path) as file:
        messages = record(target, get_settings(), file.write, stopping)
    click.echo(f"Captured {counted(messages, 'message')} in {path}.", err=True)


class _CaptureFile(ExitStack):
    """A file created by the first write, so a failed connection does not empty an existing one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: FileIO | None = None

    def write(self, data: bytes) -> None:
        try:
            if self._file is None:
                # The capture contains callers' numbers.
                private = partial(os.open, mode=0o600)
                self._file = self.enter_context(FileIO(self._path, "w", opener=private))
            self._file.write(data)
        except OSError as error:
            raise click.ClickException(f"Cannot write {self._path}: {error.strerror}.") from None


@handle_errors
def _read_extensions(slug: str) -> WatchedExtensionSet:
    pbx = pbxs.get_pbx(slug)
    connector = connectors.find_connector(pbx)
    numbers = (extension.number for extension in extensions.list_extensions(pbx))
    return WatchedExtensionSet(numbers, connector.domain if connector else "")
