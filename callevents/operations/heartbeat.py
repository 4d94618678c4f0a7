"""Workers tell that they live, so that people see them and one of them can be the leader."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from callevents.config import VERSION
from callevents.db.models import WorkerProcess, new_id, utc_now
from callevents.extensions import db

#: Who has been silent for so long does not count any more.
SILENT_AFTER = timedelta(seconds=45)
#: So long it is still shown that somebody has fallen silent, and was not stopped.
MISSED_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class InstanceId:
    """This worker process, as others see it."""

    id: str = field(default_factory=new_id)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=utc_now)


def beat(connection: Connection, instance: InstanceId, now: datetime) -> None:
    """Tell that this worker lives, and forget those that have been silent for long."""
    known = connection.execute(
        update(WorkerProcess).where(WorkerProcess.id == instance.id).values(seen_at=now)
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
            )
        )
    connection.execute(delete(WorkerProcess).where(WorkerProcess.seen_at < now - MISSED_FOR))


def leave(connection: Connection, instance: InstanceId) -> None:
    """Take leave: this worker stops as it should."""
    connection.execute(delete(WorkerProcess).where(WorkerProcess.id == instance.id))


def is_leader(connection: Connection, instance: InstanceId, now: datetime) -> bool:
    """Return whether this worker has lived longest; it does what one alone has to do.

    Two may think so for a moment. What they do then is done twice, and does no harm.
    """
    leader = connection.scalar(
        select(WorkerProcess.id)
        .where(WorkerProcess.seen_at >= now - SILENT_AFTER)
        .order_by(WorkerProcess.id)
        .limit(1)
    )
    return leader == instance.id


def list_workers() -> Sequence[WorkerProcess]:
    """Return the workers, leader first, with those that have fallen silent lately."""
    return db.session.scalars(select(WorkerProcess).order_by(WorkerProcess.id)).all()


def is_alive(worker: WorkerProcess, now: datetime) -> bool:
    """Return whether the worker has been heard lately."""
    return worker.seen_at >= now - SILENT_AFTER
