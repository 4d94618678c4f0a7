"""A listener at a busy Asterisk: its lag and its memory."""

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import click
import psutil
from sqlalchemy import func, select

from bench.options import Options
from bench.table import print_table
from callevents import create_app
from callevents.config.settings import load_settings
from callevents.db import schema
from callevents.db.models import CallEvent, utc_now
from callevents.db.session import begin_write
from callevents.enums import TABLE_ORDER, ConnectorKind
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.pbxs import connectors, extensions, pbxs
from callevents.pbxs.connectors import ConnectorConfig
from callevents.vendors.asterisk import AmiParser, AsteriskTracker
from callevents.vendors.tracking.extension_set import ExtensionSet
from tests.support.ami_server import AmiServer, cut_ami
from tests.support.pbx_server import SECRET
from tests.support.programs import ROOT, Program
from tests.support.recorded_streams import read_stream

MESSAGES_PER_SECOND = 500
CALLS = (
    "s01_internal_answered_caller_hangs_up",
    "s13_blind_transfer_by_callee_refer",
    "s22_ring_group_dial_two",
)
SAMPLES = 6
#: Time for the listener to store the last events.
LAST_SECONDS = 30.0


def run(options: Options) -> None:
    """Send MESSAGES_PER_SECOND to a listener, and print its lag, memory and CPU time."""
    with tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder:
        values = {"data_dir": folder, "log_level": "WARNING", "secret_key": "b" * 32}
        app = create_app(load_settings(**values))
        schema.upgrade(app)
        server = AmiServer()
        with app.app_context():
            _configure(server.port)
            command = ("-m", "flask", "--app", str(ROOT / "app.py"), "listen")
            program = Program(*command, cwd=Path(folder), **values)
            try:
                server.wait_for_listener()
                _measure(server, program, options.seconds)
            finally:
                program.end()
                server.close()
                db.engine.dispose()


def _configure(port: int) -> None:
    """Add a PBX with a connector, three extensions, and a hook for each of the five events."""
    begin_write()
    pbx, _ = pbxs.add_pbx("Bench")
    for number in ("101", "102", "103"):
        extensions.add_extension(pbx, number)
    for event_type in TABLE_ORDER:
        hooks.create_hook(pbx, None, event_type, hooks.HookData(url="http://192.0.2.1/"))
    connectors.set_connector(
        pbx,
        ConnectorConfig(
            kind=ConnectorKind.ASTERISK,
            host="127.0.0.1",
            port=port,
            username="callevents",
            secret=SECRET,
        ),
    )
    db.session.commit()


def _measure(server: AmiServer, program: Program, seconds: float) -> None:
    process = psutil.Process(program.process.pid)
    messages = _messages()
    [client] = server.clients
    rows = []
    sent = 0
    began = time.monotonic()
    for sample in range(1, SAMPLES + 1):
        until = began + seconds * sample / SAMPLES
        while (now := time.monotonic()) < until:
            due = int((now - began) * MESSAGES_PER_SECOND)
            if due > sent:
                client.link.sendall(b"".join(next(messages) for _ in range(due - sent)))
                sent = due
            time.sleep(0.005)
        rows.append(_sample(sent, process, seconds / SAMPLES))
    title = f"{MESSAGES_PER_SECOND} AMI messages a second for {seconds:g} s, into SQLite"
    click.echo(f"{title} (goal: lag below 2 s, memory flat)")
    print_table(("messages", "events", "lag p50", "lag p99", "lag max", "MiB", "CPU s"), rows)
    _check_last(sent)


def _sample(sent: int, process: psutil.Process, seconds: float) -> list[str]:
    """Return the row of the last interval; lag is from the PBX's message to the stored event."""
    db.session.rollback()
    since = utc_now() - timedelta(seconds=seconds)
    found = db.session.execute(
        select(CallEvent.received_at, CallEvent.happened_at).where(CallEvent.received_at > since)
    )
    lags = sorted((received - happened).total_seconds() * 1000 for received, happened in found)
    count = db.session.scalar(select(func.count()).select_from(CallEvent))
    cpu = process.cpu_times()
    return [
        f"{sent:,}",
        f"{count:,}",
        *(f"{lags[int(share * (len(lags) - 1))]:.0f} ms" for share in (0.5, 0.99, 1)),
        f"{process.memory_info().rss / 2**20:.1f}",
        f"{cpu.user + cpu.system:.1f}",
    ]


def _check_last(sent: int) -> None:
    """Print how many of the expected events are stored."""
    give_up_at = time.monotonic() + LAST_SECONDS
    expected, stored = _events_after(sent), 0
    while stored < expected and time.monotonic() < give_up_at:
        db.session.rollback()
        stored = db.session.scalar(select(func.count()).select_from(CallEvent)) or 0
    click.echo(f"{stored:,} of {expected:,} expected events are stored\n")


def _streams() -> list[bytes]:
    return [read_stream("asterisk", name) for name in CALLS]


def _messages() -> Iterator[bytes]:
    """Yield the messages of the recorded calls endlessly, as new calls at the current time."""
    for number, stream in enumerate(cycle(_streams())):
        for part in cut_ami(stream):
            lines = part.split(b"\r\n")
            for index, line in enumerate(lines):
                name, _, value = line.partition(b": ")
                if name == b"Timestamp":
                    lines[index] = b"Timestamp: %.6f" % time.time()
                elif name.endswith((b"Uniqueid", b"Linkedid")):
                    lines[index] = b"%s: %s.%d" % (name, value, number)
            yield b"\r\n".join(lines)


def _events_after(messages: int) -> int:
    """Return how many events a tracker derives from that number of messages."""
    parser, tracker = AmiParser(), AsteriskTracker(ExtensionSet(("101", "102", "103")))
    stream = _messages()
    for _ in range(messages):
        for message in parser.feed(next(stream)):
            tracker.feed(message)
    return tracker.counts.events
