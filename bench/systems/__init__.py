"""The systems to measure; each receives events over HTTP and sends a request for each."""

from bench.systems.base import System
from bench.systems.celery_threads import CeleryThreads
from bench.systems.node_red import NodeRed
from bench.systems.ours import OnPostgres, OnSqlite
from bench.systems.rq_jobs import RqSimpleWorker, RqWorker

#: By their names on the command line, in the order of the table.
SYSTEMS: dict[str, type[System]] = {
    "sqlite": OnSqlite,
    "postgres": OnPostgres,
    "rq": RqWorker,
    "rq-simple": RqSimpleWorker,
    "celery": CeleryThreads,
    "node-red": NodeRed,
}
