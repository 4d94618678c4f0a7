"""BullMQ: a web server that adds a job for each event, and a worker."""

from bench.systems import node
from bench.systems.base import System
from tests.support.programs import ROOT


class BullMq(System):
    """On a Valkey that writes each change to the disk before it answers, as our databases do."""

    title = "BullMQ 6, Valkey syncs each write"
    keeps = "in Redis, on disk"
    #: When Valkey syncs its append-only file.
    appendfsync = "always"

    def start(self) -> None:
        """Start Valkey, the web server and the worker."""
        node.install()
        redis_url = self.start_valkey(
            appendonly="yes", appendfsync=self.appendfsync, **{"maxmemory-policy": "noeviction"}
        )
        environment = {
            "NODE_ENV": "production",
            "NODE_PATH": str(node.MODULES),
            "BENCH_REDIS": redis_url,
            "BENCH_PORT": str(self.port),
            "BENCH_RECEIVER": self.receiver_url,
        }
        for name in ("ingest", "worker"):
            program = ROOT / "bench" / "rivals" / f"bullmq_{name}.js"
            self.run(node.NODE, str(program), **environment)
        self.wait_until_ready("/ready")


class BullMqEverySecond(BullMq):
    """On a Valkey that may lose the last second, which BullMQ's guide calls enough for most."""

    title = "BullMQ 6, Valkey syncs each second"
    appendfsync = "everysec"
