"""What claiming and recording cost with millions of finished deliveries, and with none."""

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
from callevents import create_app, directory, hooks, pbxs
from callevents.config import Settings
from callevents.delivery.claim import Claim
from callevents.delivery.dispatcher import Dispatcher
from callevents.delivery.holding import Holding
from callevents.delivery.record import Outcome, record
from callevents.delivery.transport import Answer
from callevents.enums import EventType, Method
from callevents.extensions import begin_write, db, write_transaction
from callevents.ingest import accept
from callevents.models import Pbx, new_id, utc_now
from callevents.reports import Report
from tests.databases import PostgresDatabases, SqliteDatabases

BATCH = 50
BATCHES = 40
GOAL = 1.2


def run(options: Options) -> None:
    """Measure with none, fill in the rows, measure again; on both databases."""
    rows = []
    for title, database in (("SQLite", _sqlite), ("PostgreSQL", _postgres)):
        with (
            tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
            database(Path(folder)) as url,
        ):
            rows.append([title, *_measure_both(url, Path(folder), options)])
    click.echo(
        f"Claim and record with {options.rows:,} finished deliveries and with none, milliseconds "
        f"for each delivery (goal: at most {GOAL} x)"
    )
    print_table(("database", "none", "filled", "filled / none"), rows)


@contextmanager
def _sqlite(folder: Path) -> Iterator[str]:
    with SqliteDatabases(folder).empty() as url:
        yield url


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    databases = PostgresDatabases(folder)
    with databases.empty() as url:
        yield url
    databases.close()


def _measure_both(url: str, folder: Path, options: Options) -> list[str]:
    settings = Settings(
        database_url=url, data_dir=folder, worker_threads=BATCH, origin_in_flight=BATCH
    )
    app = create_app(settings)
    with app.app_context():
        pbx = _set_up()
        _measure(pbx, settings)
        empty = [_measure(pbx, settings) for _ in range(options.runs)]
        fill(db.engine, options.rows)
        _measure(pbx, settings)
        filled = [_measure(pbx, settings) for _ in range(options.runs)]
        db.session.remove()
        db.engine.dispose()
    return [middle(empty, 3), middle(filled, 3), f"{median(filled) / median(empty):.2f}"]


def _set_up() -> int:
    begin_write()
    pbx, _ = pbxs.add_pbx("Bench")
    extension = directory.add_extension(pbx, "101")
    hooks.set_hook(
        pbx,
        extension,
        EventType.DIAL_IN,
        method=Method.GET,
        url="http://127.0.0.1:9/",
        active=True,
        note="",
    )
    db.session.commit()
    return pbx.id


def _measure(pbx_id: int, settings: Settings) -> float:
    """Return the median over the batches, in milliseconds for each delivery."""
    claims: list[Claim] = []

    def keep(_origin_id: int, found: list[Claim], _threads: int) -> None:
        claims.extend(found)

    dispatcher = Dispatcher(db.engine, settings, Holding(), keep)
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
    answer = Answer(utc_now(), 2, status_code=200, headers=[["Content-Length", "2"]], body="ok")
    with write_transaction(db.engine) as connection:
        record(connection, [Outcome(claim, answer) for claim in claims], utc_now(), settings)
