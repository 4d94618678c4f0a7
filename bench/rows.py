"""Cost of claiming and recording, with millions of finished deliveries and with none."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click
from sqlalchemy import select

from bench.finished import fill
from bench.options import Options
from bench.table import middle, print_table
from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Pbx, new_id, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.claim import Claim
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.http.client import Response
from callevents.delivery.in_flight import InFlight
from callevents.delivery.outcomes import Outcome, record
from callevents.delivery.receiver_limits import ReceiverLimits
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions, pbxs
from tests.support.databases import PostgresDatabases, SqliteDatabases

BATCH = 50
BATCHES = 40
GOAL = 1.1


def run(options: Options) -> None:
    """Measure an empty and a filled database alternately, on SQLite and on PostgreSQL."""
    rows = []
    for title, databases in DATABASES.items():
        with (
            tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
            databases(Path(folder)) as urls,
        ):
            rows.append([title, *_measure_both(urls, Path(folder), options)])
            click.echo(f"{title} is done: {rows[-1]}", err=True)
    click.echo(
        f"Claim and record with {options.rows:,} finished deliveries and with none, milliseconds "
        f"for each delivery (goal: at most {GOAL} x)"
    )
    print_table(("database", "none", "filled", "filled / none"), rows)


@contextmanager
def _sqlite(folder: Path) -> Iterator[list[str]]:
    databases = SqliteDatabases(folder)
    with databases.empty() as first, databases.empty() as second:
        yield [first, second]


# Without waiting for the disk, which would take the same time in both and hide a difference.
@contextmanager
def _postgres(folder: Path) -> Iterator[list[str]]:
    servers = [PostgresDatabases(folder) for _ in range(2)]
    with servers[0].empty() as first, servers[1].empty() as second:
        yield [first, second]
    for server in servers:
        server.close()


#: By title: two empty databases in the folder.
DATABASES = {"SQLite": _sqlite, "PostgreSQL": _postgres}


def _measure_both(urls: list[str], folder: Path, options: Options) -> list[str]:
    none, filled = (_Measured(url, folder) for url in urls)
    filled.fill(options.rows)
    for one in (none, filled):
        one.run_batches()
    # Alternately, so that other load of the machine affects both.
    pairs = [(none.run_batches(), filled.run_batches()) for _ in range(options.runs)]
    for one in (none, filled):
        one.close()
    empty_ms, filled_ms = ([pair[n] for pair in pairs] for n in (0, 1))
    ratio = median(filled_ms) / median(empty_ms)
    return [middle(empty_ms, 3), middle(filled_ms, 3), f"{ratio:.2f}"]


class _Measured:
    """A database with a hook."""

    def __init__(self, url: str, folder: Path) -> None:
        self._settings = Settings(
            database_url=url, data_dir=folder, worker_threads=BATCH, origin_in_flight=BATCH
        )
        self._app = create_app(self._settings)
        with self._app.app_context():
            self._pbx_id = _set_up()

    def fill(self, count: int) -> None:
        """Add `count` finished deliveries."""
        with self._app.app_context():
            _measure(self._pbx_id, self._settings)
            fill(db.engine, count)

    def run_batches(self) -> float:
        """Return the milliseconds for each delivery."""
        with self._app.app_context():
            return _measure(self._pbx_id, self._settings)

    def close(self) -> None:
        """Close the database connections."""
        with self._app.app_context():
            db.session.remove()
            db.engine.dispose()


def _set_up() -> int:
    begin_write()
    pbx, _ = pbxs.add_pbx("Bench")
    extension = extensions.add_extension(pbx, "101")
    hooks.set_hook(pbx, extension, EventType.DIAL_IN, hooks.HookData(url="http://127.0.0.1:9/"))
    db.session.commit()
    return pbx.id


def _measure(pbx_id: int, settings: Settings) -> float:
    """Return the median over the batches, in milliseconds for each delivery."""
    claims: list[Claim] = []

    def keep(_origin_id: int, found: list[Claim], _threads: int) -> None:
        claims.extend(found)

    dispatcher = Dispatcher(db.engine, settings, InFlight(), keep, ReceiverLimits(db.engine))
    seconds = []
    for _ in range(BATCHES):
        claims.clear()
        _report(pbx_id)
        began = time.perf_counter()
        dispatcher.drain()
        _record(claims, settings)
        seconds.append(time.perf_counter() - began)
    return median(seconds) / BATCH * 1000


def _report(pbx_id: int) -> None:
    begin_write()
    pbx = db.session.scalars(select(Pbx).where(Pbx.id == pbx_id)).one()
    reports = [
        Report(event_type=EventType.DIAL_IN, extension="101", call_id=new_id(), peer="0612345678")
        for _ in range(BATCH)
    ]
    accept(pbx, reports)
    db.session.commit()


def _record(claims: list[Claim], settings: Settings) -> None:
    if len(claims) != BATCH:
        raise RuntimeError(f"{len(claims)} deliveries were claimed instead of {BATCH}")
    response = Response(utc_now(), 2, status_code=200, headers=[["Content-Length", "2"]], body="ok")
    with write_transaction(db.engine) as connection:
        record(connection, [Outcome(claim, response) for claim in claims], utc_now(), settings)
