"""What needs each index of the log: plan and time of a query, with the index and without it."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from sqlalchemy import Connection, event, select, text

from bench.options import Options
from bench.rows import DATABASES
from bench.table import print_table
from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery import hold
from callevents.delivery.claim import claim_due
from callevents.delivery.expiry import has_expired
from callevents.delivery.fair_share import Share, find_ready
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.queries import last_deliveries
from callevents.delivery.outbox import find_heads
from callevents.enums import EventType, ListedState
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.history import find_call_events
from callevents.ingest.recent import list_recent_reports
from callevents.operations.overview import count_open
from callevents.operations.retention import purge_batch
from callevents.pbxs import pbxs
from tests.delivery.log.many_deliveries import make_deliveries
from tests.support.claims import LEASE

TIMES = 5
#: A page of the log.
PAGE = 50
#: Indexes in a plan, and tables that it reads completely.
INDEX = r"(?:ix|uq|pk)_(?:delivery|call_event)\w*|autoindex_\w+"
WHOLE = r"Seq Scan on (?:delivery|call_event)|SCAN (?:delivery|call_event)\w*$"
#: Deliveries that wait for a receiver that is down.
OPEN = 5_000
#: Deliveries with rare values: the oldest ones.
RARE = 20
PREPARATION = (
    "UPDATE delivery SET state = 'pending', ordering_key = hook_id * 1000, deferred = true "
    "WHERE id IN (SELECT id FROM delivery WHERE origin_id = 3 ORDER BY id DESC LIMIT :open)",
    "UPDATE delivery SET expires_at = :expiry WHERE state = 'pending'",
    "UPDATE delivery SET state = 'held', expires_at = :expiry "
    "WHERE id IN (SELECT id FROM delivery WHERE origin_id = 4 ORDER BY id DESC LIMIT :open)",
    "UPDATE delivery SET event_type = 0 WHERE event_type = 4",
    "UPDATE delivery SET hook_id = 2 WHERE hook_id = 1",
    "UPDATE delivery SET event_type = 4, hook_id = 1, origin_id = 9 "
    "WHERE id IN (SELECT id FROM delivery ORDER BY id LIMIT :rare)",
    "UPDATE delivery SET pbx_id = :quiet WHERE id IN "
    "(SELECT id FROM delivery ORDER BY id LIMIT :rare OFFSET :rare)",
    "UPDATE call_event SET pbx_id = :quiet WHERE id IN "
    "(SELECT id FROM call_event ORDER BY id LIMIT :rare OFFSET :rare)",
    "UPDATE call_event SET received_at = :now WHERE pbx_id <> :quiet",
)


@dataclass(frozen=True)
class Scene:
    """A log with two busy PBXs and a quiet one."""

    pbx: Pbx
    quiet: Pbx
    hooks: list[Hook]

    @property
    def connection(self) -> Connection:
        """The session's connection."""
        return db.session.connection()


@dataclass(frozen=True)
class Query:
    """Something that reads the log, and the index that it needs; None if that was removed."""

    index: str | None
    title: str
    run: Callable[[Scene], Any]


def _claim(scene: Scene) -> None:
    ready = find_ready(scene.connection, utc_now())
    claim_due(scene.connection, [Share(one, PAGE) for one in ready], utc_now(), LEASE)


def _page(**values: Any) -> Callable[[Scene], Any]:
    return lambda scene: find_page(Filter(scene.pbx, **values), limit=PAGE)


QUERIES = (
    Query("ix_delivery_due", "worker: claim due deliveries", _claim),
    Query(
        "ix_delivery_ordering_key",
        "worker: first delivery of 5 ordering keys",
        lambda scene: find_heads(scene.connection, [n * 1000 for n in range(1, 6)]),
    ),
    Query(
        "ix_delivery_expires",
        "worker: has any expired",
        lambda scene: has_expired(scene.connection, utc_now()),
    ),
    Query(
        "ix_delivery_held_expires",
        "worker: has any held one expired",
        lambda scene: has_expired(scene.connection, utc_now()),
    ),
    Query(
        "ix_delivery_hook_open",
        "disable a request",
        lambda scene: hold.hold([scene.hooks[1].id]),
    ),
    Query(
        "ix_delivery_hook_held",
        "enable a request",
        lambda scene: hold.release([scene.hooks[2].id]),
    ),
    Query(
        "ix_delivery_pbx_open",
        "overview: count pending",
        lambda scene: count_open(scene.pbx, utc_now()),
    ),
    Query("ix_delivery_pbx_open", "log: pending", _page(state=ListedState.PENDING)),
    Query("ix_delivery_pbx_held", "log: held", _page(state=ListedState.HELD)),
    Query("ix_delivery_pbx_failed", "log: failed", _page(state=ListedState.FAILED)),
    Query("ix_delivery_pbx_cancelled", "log: cancelled", _page(state=ListedState.CANCELLED)),
    Query("ix_delivery_pbx_skipped", "log: skipped", _page(state=ListedState.SKIPPED)),
    Query(
        "ix_delivery_hook_id_id",
        "table of requests: last delivery of each",
        lambda scene: last_deliveries(scene.hooks),
    ),
    Query("ix_delivery_pbx_id_id", "log: a PBX", _page()),
    Query("ix_delivery_pbx_id_extension_id", "log: an extension", _page(extension="117")),
    Query("ix_delivery_call_event_id", "log: a call", _page(call_id="call-77")),
    Query(
        "ix_delivery_call_event_id",
        "retention: remove 50 events",
        lambda scene: purge_batch(scene.connection, utc_now(), max_events=50),
    ),
    Query(
        "ix_call_event_pbx_id_call_id_received_at",
        "accept a hangup: earlier events of the call",
        lambda scene: find_call_events(scene.pbx, "call-77"),
    ),
    Query(
        "ix_call_event_pbx_id_received_at",
        "reports of a quiet PBX within an hour",
        lambda scene: list_recent_reports(scene.quiet),
    ),
    Query(None, "log: an event type", _page(event_type=EventType.HANGUP)),
    Query(None, "log: a rare event type", _page(event_type=EventType(4))),
    Query(None, "log: a receiver", _page(origin="http://origin-5/")),
    Query(None, "log: a rare receiver", _page(origin="http://origin-9/")),
)


def run(options: Options) -> None:
    """Print a table for each database; the indexes are dropped and restored one by one."""
    count = min(options.rows, 300_000)
    for title, databases in DATABASES.items():
        with (
            tempfile.TemporaryDirectory(prefix="callevents-bench-") as folder,
            databases(Path(folder)) as urls,
        ):
            rows = _measure(urls[0], Path(folder), count)
        click.echo(f"{title}, {count:,} deliveries; milliseconds with the index and without it")
        print_table(("query", "index", "plan", "with", "without", "plan without it"), rows)


def _measure(url: str, folder: Path, count: int) -> list[list[str]]:
    settings = Settings(database_url=url, data_dir=folder)
    with create_app(settings).app_context():
        scene = _set_up(count)
        rows = [_row(scene, query) for query in QUERIES]
        db.session.remove()
        db.engine.dispose()
    return rows


def _set_up(count: int) -> Scene:
    begin_write()
    pbx, other, quiet = (pbxs.add_pbx(name)[0] for name in ("Busy", "Other", "Quiet"))
    for n in range(1, 10):
        hooks.create_hook(pbx, None, EventType.DIAL_IN, HookData(url=f"http://origin-{n}/"))
    db.session.commit()
    make_deliveries(pbx, other, count)
    begin_write()
    if _is_postgres():
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
    values = {
        "quiet": quiet.id,
        "rare": RARE,
        "open": OPEN,
        "expiry": "2099-01-01 00:00:00.000000",
        "now": f"{utc_now():%Y-%m-%d %H:%M:%S.000000}",
    }
    for statement in PREPARATION:
        names = re.findall(r":(\w+)", statement)
        db.session.execute(text(statement), {name: values[name] for name in names})
    db.session.commit()
    if _is_postgres():
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    return Scene(pbx, quiet, list(db.session.scalars(select(Hook).order_by(Hook.id).limit(5))))


def _is_postgres() -> bool:
    return db.engine.dialect.name == "postgresql"


def _row(scene: Scene, query: Query) -> list[str]:
    plan, milliseconds = _try(scene, query)
    row = [query.title, query.index or "-", plan, f"{milliseconds:.1f}"]
    if query.index is None:
        return [*row, "", ""]
    plan, milliseconds = _try(scene, query, f"DROP INDEX {query.index}")
    return [*row, f"{milliseconds:.1f}", plan]


def _try(scene: Scene, query: Query, change: str = "") -> tuple[str, float]:
    """Run the query after the change; return its plan and its time. Everything is rolled back."""
    times = []
    for _ in range(TIMES):
        begin_write()
        if _is_postgres():
            scene.connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        # Before, so that only the query is measured.
        for one in (scene.pbx, scene.quiet, *scene.hooks):
            db.session.refresh(one)
        if change:
            scene.connection.exec_driver_sql(change)
        with _noting() as statements:
            began = time.perf_counter()
            query.run(scene)
            times.append((time.perf_counter() - began) * 1000)
        plans = [_explain(scene.connection, *one) for one in statements]
        db.session.rollback()
    return ", ".join(dict.fromkeys(part for plan in plans for part in plan)), median(times)


@contextmanager
def _noting() -> Iterator[list[tuple[str, Any]]]:
    """Yield a list that gets the statements on deliveries and events, with parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_1: object, _2: object, statement: str, parameters: Any, *_more: object) -> None:
        if re.search(r"(FROM|JOIN|UPDATE) (delivery|call_event)", statement):
            sent.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def _explain(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """Return the indexes that the plan uses, and the tables that it reads completely.

    Sorting is left out: it is limited to a page.
    """
    one = parameters[0] if isinstance(parameters, list) else parameters
    verb = "EXPLAIN" if _is_postgres() else "EXPLAIN QUERY PLAN"
    plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{verb} {statement}", one))
    return re.findall(f"{INDEX}|{WHOLE}", plan, re.MULTILINE)
