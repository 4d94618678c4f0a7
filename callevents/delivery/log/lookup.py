"""Finds what somebody has only an id or a number of."""

from typing import Any

from sqlalchemy import exists, select

from callevents.db.models import Hook, Pbx
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.queries import find_delivery
from callevents.extensions import db


def find_named(text: str, pbx: Pbx | None) -> dict[str, Any] | None:
    """Return what has this id or number, as `delivery`, `hook`, `call` or `ext`; None if nothing.

    Looked for in this order: a delivery's id, an Event ID, the id of a call or a number that is in
    the log. With a PBX, only its own.
    """
    delivery = find_delivery(text)
    if delivery is not None and pbx in (None, delivery.pbx):
        return {"delivery": delivery}
    own = [] if pbx is None else [Hook.pbx_id == pbx.id]
    if db.session.scalar(select(exists().where(Hook.event_id == text, *own))):
        return {"hook": text}
    if find_page(Filter(pbx, call_id=text), limit=1).found:
        return {"call": text}
    if find_page(Filter(pbx, extension=text), limit=1).found:
        return {"ext": text}
    return None
