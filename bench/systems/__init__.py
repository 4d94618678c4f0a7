"""The systems to measure; each receives events over HTTP and sends a request for each."""

from collections.abc import Iterable

from bench.systems.base import System
from bench.systems.bullmq import BullMq, BullMqEverySecond
from bench.systems.celery_threads import CeleryThreads
from bench.systems.node_red import NodeRed
from bench.systems.ours import OnPostgres, OnSqlite
from bench.systems.procrastinate_async import Procrastinate
from bench.systems.rq_jobs import RqSimpleWorker, RqWorker

#: Call Events, by names on the command line.
OURS: dict[str, type[OnSqlite]] = {"sqlite": OnSqlite, "postgres": OnPostgres}
#: All, by names on the command line, in the order of the table.
SYSTEMS: dict[str, type[System]] = {
    **OURS,
    "node-red": NodeRed,
    "bullmq": BullMq,
    "bullmq-everysec": BullMqEverySecond,
    "procrastinate": Procrastinate,
    "celery": CeleryThreads,
    "rq": RqWorker,
    "rq-simple": RqSimpleWorker,
}


def choose_ours(names: Iterable[str]) -> list[type[OnSqlite]]:
    """Return Call Events on these databases, on both if none is named."""
    chosen = [system for name, system in OURS.items() if name in names]
    return chosen or list(OURS.values())
