"""Hooks that are sent once per call, and what they send."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from callevents.db.models import Delivery, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, HookScope
from callevents.extensions import db
from callevents.ingest.accept import Accepted, NewDeliveries, accept
from callevents.ingest.report import CallOver, Report
from tests.conftest import Configure

URL = "http://crm.example.com/"


def once_per_call(
    configure: Configure, event: EventType, extension: str = "*", url: str = URL
) -> Hook:
    """Add a hook that is sent once per call."""
    hook = configure.hook(extension, event, url)
    begin_write()
    hook.scope = HookScope.CALL
    db.session.commit()
    return hook


def store(
    pbx: Pbx, *reports: Report, overs: Sequence[CallOver] = (), hands_over: bool = False
) -> list[Accepted]:
    """Store the reports, and what a listener says is over, in a transaction."""
    begin_write()
    accepted = accept(pbx, reports, NewDeliveries(hands_over=hands_over), overs)
    db.session.commit()
    return accepted


def deliveries(event: EventType | None = None) -> Sequence[Delivery]:
    """Return the deliveries, of that event type only if one is given, in order."""
    db.session.expire_all()
    found = select(Delivery).order_by(Delivery.happened_at, Delivery.id)
    if event is not None:
        found = found.where(Delivery.event_type == event)
    return db.session.scalars(found).all()


def values(delivery: Delivery) -> dict[str, Any]:
    """Return the values of the whole call that a delivery has."""
    found: dict[str, Any] = json.loads(delivery.call_values)
    return found


def the_end() -> dict[str, Any]:
    """Return the values of the only end of a call."""
    [end] = deliveries(EventType.HANGUP)
    return values(end)
