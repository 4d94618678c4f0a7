"""Bytes on disk and processor time of a delivered event, by table and by step, without HTTP."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import click
import psutil
from sqlalchemy import Connection, select, text

from bench.options import Options
from bench.rows import DATABASES
from bench.table import print_table
from bench.watch import cpu_seconds
from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.claim import Claim
from callevents.delivery.http.client import Response
from callevents.delivery.lease import UNLIMITED
from callevents.delivery.load_claims import load_sendable
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import EventType, Method
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.accept import NewDeliveries, accept
from callevents.ingest.report import Report
from callevents.pbxs import pbxs

#: Events in one transaction, as concurrent reports are stored together.
BATCH = 16
#: Batches in one step, so that its processor time can be measured.
BATCHES = 50
#: A call's events, each with its own call: in one call they would wait for each other.
EVENTS = (EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP)
#: As that of a small web application.
RESPONSE = Response(
    utc_now(),
    12,
    status_code=200,
    headers=[
        ["Server", "nginx"],
        ["Date", "Sun, 29 Nov 2026 10:00:00 GMT"],
        ["Content-Type", "application/json"],
        ["Content-Length", "15"],
        ["Connection", "keep-alive"],
        ["Strict-Transport-Security", "max-age=31536000"],
    ],
    body='{"status":"ok"}',
)
#: A page of some kilobytes, as web frameworks answer.
PAGE = replace(
    RESPONSE,
    body="".join(
        f'<tr class="contact"><td>{n}</td><td><a href="/contacts/{n * 7919}">Contact {n}</a></td>'
        f"<td>+41 44 555 {n * 37 % 10_000:04}</td></tr>\n"
        for n in range(40)
    ),
)
Steps = dict[str, float]
Processes = list[psutil.Process]


def run(options: Options) -> None:
    """Measure on SQLite and on PostgreSQL, with small responses and with pages."""
    for name, response in (("a JSON of 15 B", RESPONSE), (f"{len(PAGE.body)} B of HTML", PAGE)):
        costs: list[Sequence[str]] = []
        sizes: dict[str, dict[str, float]] = {}
        for title, databases in DATABASES.items():
            with (
                tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
                databases(Path(folder)) as urls,
            ):
                steps, sizes[title] = _measure(urls[0], Path(folder), response, options.runs)
            costs.append([title, *(f"{seconds * 1e6:,.0f}" for seconds in steps.values())])
        click.echo(f"Microseconds of processor time for each event; the response is {name}")
        print_table(("database", "accept", "load", "record", "together"), costs)
        click.echo("Bytes on disk for each delivered event")
        parts = dict.fromkeys(part for found in sizes.values() for part in found)
        print_table(("", *sizes), [_sizes_row(part, sizes) for part in parts])


def _sizes_row(part: str, sizes: dict[str, dict[str, float]]) -> Sequence[str]:
    return [part, *(f"{found.get(part, 0):,.0f}" for found in sizes.values())]


def _measure(
    url: str, folder: Path, response: Response, runs: int
) -> tuple[Steps, dict[str, float]]:
    settings = Settings(database_url=url, data_dir=folder)
    with create_app(settings).app_context():
        pbx_id = _set_up()
        # Once: to look for them takes as long as a step.
        server = _server_processes()
        found = [_run_steps(pbx_id, settings, response, server) for _ in range(3 * runs + 1)][1:]
        steps = {name: median(one[name] for one in found) for name in found[0]}
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            events = connection.scalar(text("SELECT count(*) FROM call_event")) or 1
            sizes = {name: size / events for name, size in _find_sizes(connection).items()}
        db.session.remove()
        db.engine.dispose()
    return steps, sizes


def _set_up() -> int:
    begin_write()
    pbx, _ = pbxs.add_pbx("Bench")
    for event_type in EVENTS:
        method = Method.POST if event_type is EventType.HANGUP else Method.GET
        data = HookData(url="https://crm.example.com/api/calls/incoming", method=method)
        hooks.create_hook(pbx, None, event_type, data)
    db.session.commit()
    return pbx.id


def _run_steps(pbx_id: int, settings: Settings, response: Response, server: Processes) -> Steps:
    """Return the processor time of each step, in seconds for each event."""
    ids: list[list[str]] = []
    claims: list[Claim] = []
    steps = {
        "accept": _cost(lambda: ids.extend(_report(pbx_id) for _ in range(BATCHES)), server),
        "load": _cost(lambda: claims.extend(one for batch in ids for one in _load(batch)), server),
        "record": _cost(lambda: _record(claims, response, settings), server),
    }
    if len(claims) != BATCH * BATCHES:
        raise RuntimeError(f"{len(claims)} deliveries were loaded instead of {BATCH * BATCHES}")
    return steps | {"together": sum(steps.values())}


def _load(ids: Sequence[str]) -> Sequence[Claim]:
    return load_sendable(db.engine, dict.fromkeys(ids, 1), UNLIMITED, cipher.bound).claims


def _record(claims: Sequence[Claim], response: Response, settings: Settings) -> None:
    for first in range(0, len(claims), BATCH):
        outcomes = [Outcome(one, response) for one in claims[first : first + BATCH]]
        with write_transaction(db.engine) as connection:
            record(connection, outcomes, utc_now(), settings)


def _cost(step: Callable[[], object], server: Processes) -> float:
    """Return the processor time of this process and of the database's, for each event."""
    before = time.process_time() + cpu_seconds(server)
    step()
    return (time.process_time() + cpu_seconds(server) - before) / BATCH / BATCHES


def _server_processes() -> Processes:
    """Return the processes of the database server, if it has any."""
    if db.engine.dialect.name != "postgresql":
        return []
    with db.engine.connect() as connection:
        backend = psutil.Process(connection.scalar(text("SELECT pg_backend_pid()")))
    server = backend.parent()
    return [server, *server.children()] if server else []


def _report(pbx_id: int) -> list[str]:
    """Accept events of different calls; return the IDs of their deliveries, claimed already."""
    new = NewDeliveries(hands_over=True)
    begin_write()
    pbx = db.session.scalars(select(Pbx).where(Pbx.id == pbx_id)).one()
    accept(pbx, [_make_report(number) for number in range(BATCH)], new)
    db.session.commit()
    return new.claimed


def _make_report(number: int) -> Report:
    call_id = f"{utc_now().timestamp():.3f}.{number}.pbx.example.com"
    return Report(
        event_type=EVENTS[number % len(EVENTS)],
        extension=f"1{number:02}",
        call_id=call_id,
        leg_id=f"{call_id}-leg",
        peer="+41445550142",
        caller_number="+41445550142",
        caller_name="Anna Meier",
        called_number="+41445550100",
        called_did="+41445550100",
    )


def _find_sizes(connection: Connection) -> dict[str, float]:
    """Return the bytes of each table and of each index of events, deliveries and attempts."""
    if connection.dialect.name == "sqlite":
        query = (
            "SELECT s.tbl_name, s.name, s.type, sum(d.pgsize) FROM dbstat d "
            "JOIN sqlite_schema s USING (name) GROUP BY 1, 2, 3"
        )
    else:
        query = (
            "SELECT t.relname, c.relname, CASE c.relkind WHEN 'i' THEN 'index' ELSE 'table' END, "
            "pg_relation_size(c.oid) + CASE c.relkind WHEN 'r' THEN "
            "pg_total_relation_size(c.oid) - pg_indexes_size(c.oid) - pg_relation_size(c.oid) "
            "ELSE 0 END "
            "FROM pg_class t LEFT JOIN pg_index i ON i.indrelid = t.oid "
            "JOIN pg_class c ON c.oid IN (t.oid, i.indexrelid) WHERE t.relkind = 'r' "
            "GROUP BY 1, 2, 3, c.oid, c.relkind"
        )
    sizes = dict.fromkeys(("all", *(f"{one} and indexes" for one in TABLES)), 0.0)
    indexes: dict[str, float] = {}
    for table, name, kind, size in connection.exec_driver_sql(query):
        if table not in TABLES:
            continue
        sizes["all"] += size
        sizes[f"{table} and indexes"] += size
        (sizes if kind == "table" else indexes)[name] = size
    return sizes | indexes


TABLES = ("call_event", "delivery", "attempt")
