"""Worker heartbeats: they show which workers run, and decide which one is the leader."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from callevents.config import VERSION
from callevents.db.models import WorkerProcess, new_id, utc_now
from callevents.extensions import db

#: A worker without a heartbeat for this time counts as not responding.
MISSING_AFTER = timedelta(seconds=45)
#: A worker without a heartbeat for this time is removed from the list.
REMOVE_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class InstanceId:
    """Identity of this process, a worker or a listener, in the database."""

    id: str = field(default_factory=new_id)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=utc_now)

    @property
    def name(self) -> str:
        """Host and process as shown on pages."""
        return f"{self.host[:280]}, process {self.pid}"


def send_heartbeat(
    connection: Connection, instance: InstanceId, now: datetime, *, foreign_jobs: int = 0
) -> None:
    """Store this worker's heartbeat, and remove workers that have sent none for an hour.

    `foreign_jobs`: how many it has dropped from the queue since its start.
    """
    known = connection.execute(
        update(WorkerProcess)
        .where(WorkerProcess.id == instance.id)
        .values(seen_at=now, foreign_jobs=foreign_jobs)
    )
    if not known.rowcount:
        connection.execute(
            insert(WorkerProcess).values(
                id=instance.id,
                host=instance.host[:255],
                pid=instance.pid,
                version=VERSION,
                started_at=instance.started_at,
                seen_at=now,
                foreign_jobs=foreign_jobs,
            )
        )
    connection.execute(delete(WorkerProcess).where(WorkerProcess.seen_at < now - REMOVE_AFTER))


def deregister(connection: Connection, instance: InstanceId) -> None:
    """Remove this worker, because it stops."""
    connection.execute(delete(WorkerProcess).where(WorkerProcess.id == instance.id))


def is_leader(connection: Connection, instance: InstanceId, now: datetime) -> bool:
    """Return True if this worker is the longest running one; it does the tasks of a single worker.

    For a moment two workers can be leader. They then do the same work twice, which is harmless.
    """
    leader = connection.scalar(
        select(WorkerProcess.id)
        .where(WorkerProcess.seen_at >= now - MISSING_AFTER)
        .order_by(WorkerProcess.id)
        .limit(1)
    )
    return leader == instance.id


def list_workers() -> Sequence[WorkerProcess]:
    """Return the workers, leader first, including those that have stopped responding."""
    return db.session.scalars(select(WorkerProcess).order_by(WorkerProcess.id)).all()


def is_alive(worker: WorkerProcess, now: datetime) -> bool:
    """Return True if the worker has sent a heartbeat lately."""
    return worker.seen_at >= now - MISSING_AFTER
