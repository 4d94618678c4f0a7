"""The change of many hooks that pages offer to undo: the last one, while it can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from callevents.audit.actions import Action, label_of
from callevents.db.models import BulkChange, Extension, Pbx, utc_now
from callevents.delivery.removal import UNDO_TIME
from callevents.extensions import db
from callevents.hooks.bulk.undo import CHANGE_UNDO_TIME, Undone, covers, foresee
from callevents.users.rights import Scope

#: Changes among which the last one of a user is searched.
MAX_SEARCHED = 20
MAX_NUMBERS = 3


@dataclass(frozen=True)
class Offered:
    """A change that can still be undone, until `until`."""

    id: str
    made_at: datetime
    until: datetime
    #: What was done, in the words of the history.
    label: str
    #: How many hooks undoing it would set right, and how many not.
    would: Undone
    #: Whose hooks these are, such as '101, 102, 103 and 4 more'.
    whose: str
    pbxs: Sequence[str]

    @property
    def seconds_left(self) -> int:
        """After how many seconds it cannot be undone any more."""
        return int((self.until - utc_now()).total_seconds()) + 1


def find_offered(scope: Scope, since: datetime | None = None) -> Offered | None:
    """Return the last change of a user with this scope; None if it cannot be undone.

    `since`: earlier ones are not offered. One that comes to light when a later one has been undone
    would be undone by a second click.
    """
    after = max(filter(None, (since, utc_now() - CHANGE_UNDO_TIME)))
    columns = (BulkChange.id, BulkChange.places)
    query = select(*columns).where(BulkChange.made_at >= after)
    rows = db.session.execute(query.order_by(BulkChange.id.desc()).limit(MAX_SEARCHED))
    found = next((row.id for row in rows if covers(scope, row.places)), None)
    change = db.session.get(BulkChange, found) if found else None
    if change is None:
        return None
    until = change.made_at + _undo_time(change.action)
    would = foresee(change, scope) if until > utc_now() else Undone(0)
    if not would.hooks:
        return None
    pbxs, whose = _describe(change.places)
    label = label_of(change.action)
    return Offered(change.id, change.made_at, until, label, would, whose, pbxs)


def _undo_time(action: str) -> timedelta:
    return UNDO_TIME if action == Action.HOOKS_CLEARED else CHANGE_UNDO_TIME


def _describe(places: Sequence[Sequence[Any]]) -> tuple[Sequence[str], str]:
    """Return the names of the PBXs, and the numbers of the extensions in words."""
    pbx_ids = {pbx_id for pbx_id, _extension_id in places}
    pbxs = db.session.scalars(select(Pbx.name).where(Pbx.id.in_(pbx_ids)).order_by(Pbx.name)).all()
    ids = [extension_id for _pbx_id, extension_id in places if extension_id is not None]
    shown = select(Extension.number).where(Extension.id.in_(ids))
    shown = shown.order_by(func.length(Extension.number), Extension.number).limit(MAX_NUMBERS)
    parts = list(db.session.scalars(shown)) if ids else []
    more = len(ids) - len(parts)
    if len(ids) < len(places):
        parts.insert(0, "all extensions")
    if more:
        parts.append(f"{more:,} more")
    return pbxs, _join(parts)


def _join(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
