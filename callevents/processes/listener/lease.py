"""Leases in the database: each PBX is followed by the listener that holds its lease."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update

from callevents.db.models import Connector, Pbx
from callevents.enums import ConnectorState
from callevents.extensions import db
from callevents.operations.heartbeat import InstanceId
from callevents.processes.listener.target import Target


@dataclass(kw_only=True)
class ConnectionStatus:
    """Connection status of one PBX, with counters since the follower started."""

    state: ConnectorState = ConnectorState.CONNECTING
    connected_since: datetime | None = None
    last_message_at: datetime | None = None
    messages: int = 0
    events: int = 0
    skipped: int = 0
    dropped_legs: int = 0
    unseen_legs: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None


#: Counters whose increase is added to the database.
COUNTERS = ("messages", "events", "skipped", "dropped_legs", "unseen_legs")


def list_enabled() -> Sequence[tuple[Connector, Pbx]]:
    """Return all enabled connectors with their PBXs.

    Those that were imported without a secret are left out: a wrong one could get us locked out.
    """
    rows = db.session.execute(
        select(Connector, Pbx)
        .join(Pbx)
        .where(Connector.enabled, Connector.secret != "")
        .order_by(Pbx.id)
    )
    return [(connector, pbx) for connector, pbx in rows]


def is_lease_free(connector: Connector, now: datetime) -> bool:
    """Return True if no listener holds the connector's lease."""
    return connector.leader_until is None or connector.leader_until < now


def acquire_lease(
    pbx_ids: Collection[int], instance: InstanceId, now: datetime, lease: timedelta
) -> set[int]:
    """Acquire or renew the leases that no other listener holds; return the PBX ids held."""
    mine_or_free = or_(
        Connector.leader_id == instance.id,
        Connector.leader_until.is_(None),
        Connector.leader_until < now,
    )
    acquired = db.session.scalars(
        update(Connector)
        .where(Connector.pbx_id.in_(sorted(pbx_ids)), Connector.enabled, mine_or_free)
        .values(leader_id=instance.id, leader_name=instance.name, leader_until=now + lease)
        .returning(Connector.pbx_id)
        .execution_options(synchronize_session=False)
    )
    return set(acquired)


def update_status(
    target: Target,
    instance: InstanceId,
    status: ConnectionStatus,
    waiting: int,
    counted: dict[str, int],
) -> None:
    """Store the status of a PBX whose lease we hold, and add the counters' increase.

    `counted` is what was stored last. Does nothing if an admin has changed the connector
    meanwhile: the status then belongs to the old configuration.
    """
    values: dict[str, Any] = {
        "state": status.state,
        "connected_since": status.connected_since,
        "last_message_at": status.last_message_at or Connector.last_message_at,
        "waiting": waiting,
    }
    for name in COUNTERS:
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


def release_lease(pbx_ids: Collection[int], instance: InstanceId) -> None:
    """Release the leases, so that another listener can acquire them at once."""
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
