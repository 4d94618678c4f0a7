"""Which listener leads at which PBX: a lease in the database."""

import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from callevents.db.models import Connector, Pbx, new_id
from callevents.enums import ConnectorState
from callevents.extensions import db
from callevents.processes.listener.target import Target


@dataclass(kw_only=True)
class Status:
    """The present state, and counts since the follower began."""

    state: ConnectorState = ConnectorState.CONNECTING
    connected_since: datetime | None = None
    last_message_at: datetime | None = None
    messages: int = 0
    events: int = 0
    skipped: int = 0
    dropped_legs: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None


#: What is counted on in the database.
COUNTS = ("messages", "events", "skipped", "dropped_legs")


@dataclass(frozen=True)
class InstanceId:
    """This listener, as others see it."""

    id: str = field(default_factory=new_id)
    name: str = field(
        default_factory=lambda: f"{socket.gethostname()[:280]}, process {os.getpid()}"
    )


def list_enabled() -> Sequence[tuple[Connector, Pbx]]:
    """Return all connectors that are to be listened to."""
    rows = db.session.execute(
        select(Connector, Pbx).join(Pbx).where(Connector.enabled).order_by(Pbx.id)
    )
    return [(connector, pbx) for connector, pbx in rows]


def is_free(connector: Connector, now: datetime) -> bool:
    """Tell whether nobody leads there."""
    return connector.leader_until is None or connector.leader_until < now


def take_lead(
    pbx_ids: Collection[int], instance: InstanceId, now: datetime, lease: timedelta
) -> set[int]:
    """Lead, or lead on, at those PBXs where nobody else does; return where that is."""
    mine_or_free = or_(
        Connector.leader_id == instance.id,
        Connector.leader_until.is_(None),
        Connector.leader_until < now,
    )
    taken = db.session.scalars(
        update(Connector)
        .where(Connector.pbx_id.in_(sorted(pbx_ids)), Connector.enabled, mine_or_free)
        .values(leader_id=instance.id, leader_name=instance.name, leader_until=now + lease)
        .returning(Connector.pbx_id)
        .execution_options(synchronize_session=False)
    )
    return set(taken)


def write_status(
    target: Target, instance: InstanceId, status: Status, waiting: int, counted: dict[str, int]
) -> None:
    """Write down how it goes where we lead, adding to the counts what came since.

    Unless an admin has changed the connector meanwhile: how it went before is of no interest.
    """
    values: dict[str, Any] = {
        "state": status.state,
        "connected_since": status.connected_since,
        "last_message_at": status.last_message_at or Connector.last_message_at,
        "waiting": waiting,
    }
    for name in COUNTS:
        values[name] = getattr(Connector, name) + getattr(status, name) - counted.get(name, 0)
    if status.last_error_at is not None:
        values |= {"last_error": status.last_error, "last_error_at": status.last_error_at}
    db.session.execute(
        update(Connector)
        .where(
            Connector.pbx_id == target.pbx.id,
            Connector.leader_id == instance.id,
            Connector.changed_at == target.changed_at,
        )
        .values(values)
        .execution_options(synchronize_session=False)
    )


def let_go(pbx_ids: Collection[int], instance: InstanceId) -> None:
    """Let another listener lead at once."""
    db.session.execute(
        update(Connector)
        .where(Connector.pbx_id.in_(sorted(pbx_ids)), Connector.leader_id == instance.id)
        .values(
            leader_id=None,
            leader_name="",
            leader_until=None,
            state=ConnectorState.CONNECTING,
            connected_since=None,
            waiting=0,
        )
        .execution_options(synchronize_session=False)
    )
