"""The systems that are measured; each takes an event by HTTP and makes a request of it."""

from bench.systems.base import System
from bench.systems.celery_threads import CeleryThreads
from bench.systems.node_red import NodeRed
from bench.systems.ours import OnPostgres, OnSqlite
from bench.systems.rq_jobs import RqSimpleWorker, RqWorker

#: By the names that the command takes, in the order of the table.
SYSTEMS: dict[str, type[System]] = {
    "sqlite": OnSqlite,
    "postgres": OnPostgres,
    "rq": RqWorker,
    "rq-simple": RqSimpleWorker,
    "celery": CeleryThreads,
    "node-red": NodeRed,
}
