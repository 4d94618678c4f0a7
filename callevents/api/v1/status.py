"""Whether the installation works, and how much waits."""

from datetime import datetime

from pydantic import Field

from callevents.api import health
from callevents.api.v1.call import Call
from callevents.api.v1.models import Answer, Moment, NoQuery
from callevents.api.v1.operations import operation
from callevents.config import VERSION
from callevents.db.models import Pbx, utc_now
from callevents.enums import Right
from callevents.extensions import db
from callevents.operations.heartbeat import is_alive, list_workers
from callevents.operations.overview import Backlog, count_open
from callevents.users.rights import Scope

TAG = "Status"
#: More deliveries are not counted.
MAX_COUNTED = 10_000


class StatusWorkers(Answer):
    """The number of worker processes."""

    running: int
    not_responding: int = Field(
        description="Workers that have sent no heartbeat for 45 seconds. After an hour they are "
        "no longer counted."
    )


class StatusBacklog(Answer):
    """Deliveries that wait."""

    pending: int = Field(description=f"Deliveries to be sent, at most {MAX_COUNTED:,}.")
    held: int = Field(
        description=f"Deliveries of disabled hooks, which wait for that to change; at most "
        f"{MAX_COUNTED:,}."
    )
    has_more: bool = Field(description="More deliveries are pending than were counted.")
    due_since: Moment | None = Field(
        description="When the oldest overdue delivery was due; null if none is overdue."
    )


class Status(Answer):
    """The state of the installation."""

    version: str
    status: str = Field(description="`ok`, or `unavailable` if the database or Redis is not.")
    database: str = Field(description="`ok`, or what is wrong.")
    redis: str = Field(description="`ok`, or what is wrong.")
    workers: StatusWorkers
    backlog: StatusBacklog | None = Field(
        description="Of the PBXs that the token may see; null if there is none of which it may see "
        "everything."
    )


@operation(
    "GET",
    "/status",
    scope=None,
    summary="Get the state of the installation",
    tag=TAG,
    answer=Status,
    answer_example={
        "version": "1.0",
        "status": "ok",
        "database": "ok",
        "redis": "ok",
        "workers": {"running": 2, "not_responding": 0},
        "backlog": {
            "pending": 12,
            "held": 0,
            "has_more": False,
            "due_since": "2026-03-01T09:29:58.120Z",
        },
    },
)
def get_status(call: Call[NoQuery, None]) -> Status:
    """Return whether database, Redis and workers work, and how many deliveries wait.

    Monitoring without a token uses `/readyz`. Without workers, events are accepted and not
    delivered.
    """
    states = health.find_states()
    now = utc_now()
    alive = [is_alive(worker, now) for worker in list_workers()]
    return Status(
        version=VERSION,
        status=health.summarize(states),
        **states,
        workers=StatusWorkers(running=sum(alive), not_responding=len(alive) - sum(alive)),
        backlog=_find_backlog(call.principal.scope_of(Right.SEE_PBX), now),
    )


def _find_backlog(scope: Scope, now: datetime) -> StatusBacklog | None:
    """Return the backlog of the PBXs in the scope, None without any."""
    if scope.is_all:
        return _sum([count_open(None, now, max_count=MAX_COUNTED)])
    ids = sorted(scope.pbx_ids)
    found = [pbx for pbx_id in ids if (pbx := db.session.get(Pbx, pbx_id))]
    return _sum([count_open(pbx, now, max_count=MAX_COUNTED) for pbx in found]) if found else None


def _sum(backlogs: list[Backlog]) -> StatusBacklog:
    pending = sum(one.count for one in backlogs)
    due = [one.due_since for one in backlogs if one.due_since]
    return StatusBacklog(
        pending=min(pending, MAX_COUNTED),
        held=min(sum(one.held for one in backlogs), MAX_COUNTED),
        has_more=pending > MAX_COUNTED or any(one.is_more for one in backlogs),
        due_since=min(due, default=None),
    )
