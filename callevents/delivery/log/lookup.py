"""Lookup by a single ID or number, as typed into the search field."""

from typing import Any

from sqlalchemy import exists, select

from callevents.db.models import Hook, Pbx
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.queries import find_delivery
from callevents.extensions import db


def look_up(text: str, pbx: Pbx | None) -> dict[str, Any] | None:
    """Return the match as {'delivery' | 'hook' | 'call' | 'ext': value}; None without one.

    Tried in this order: the ID of a delivery, an Event ID, and a call ID or an extension that is in
    the log. `pbx` limits the lookup to one PBX.
    """
    delivery = find_delivery(text)
    if delivery is not None and pbx in (None, delivery.pbx):
        return {"delivery": delivery}
    of_pbx = [] if pbx is None else [Hook.pbx_id == pbx.id]
    if db.session.scalar(select(exists().where(Hook.event_id == text, *of_pbx))):
        return {"hook": text}
    if find_page(Filter(pbx, call_id=text), limit=1).found:
        return {"call": text}
    if find_page(Filter(pbx, extension=text), limit=1).found:
        return {"ext": text}
    return None
