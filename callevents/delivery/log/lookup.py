"""Lookup by a single ID or number, as typed into the search field."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, exists, select

from callevents.db.models import Delivery, Hook
from callevents.delivery.log.filters import Filter
from callevents.delivery.log.pagination import find_page
from callevents.delivery.log.queries import find_delivery
from callevents.extensions import db


def look_up(text: str, within: Filter, of_hooks: ColumnElement[bool]) -> dict[str, Any] | None:
    """Return the match as {'delivery' | 'hook' | 'call' | 'ext': value}; None without one.

    Tried in this order: the ID of a delivery, an Event ID, and a call ID or an extension that is in
    the log. `within` limits the lookup to its PBX and to what may be seen, `of_hooks` does so for
    hooks.
    """
    delivery = _find_delivery(text, within)
    if delivery is not None:
        return {"delivery": delivery}
    of_pbx = [of_hooks] if within.pbx is None else [of_hooks, Hook.pbx_id == within.pbx.id]
    if db.session.scalar(select(exists().where(Hook.event_id == text, *of_pbx))):
        return {"hook": text}
    if find_page(replace(within, call_id=text), limit=1).found:
        return {"call": text}
    if find_page(replace(within, extension=text), limit=1).found:
        return {"ext": text}
    return None


def _find_delivery(text: str, within: Filter) -> Delivery | None:
    delivery = find_delivery(text)
    if delivery is None or within.pbx not in (None, delivery.pbx):
        return None
    if within.limit is not None:
        is_visible = select(Delivery.id).where(Delivery.id == delivery.id, within.limit(Delivery))
        return delivery if db.session.scalar(is_visible) else None
    return delivery
