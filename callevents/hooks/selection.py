"""Chooses hooks: by a filter, or by their Event IDs. Counts, lists and locks them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

import idna
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload

from callevents.db.models import (
    Extension,
    ExtensionGroup,
    GroupMember,
    Hook,
    Origin,
    Pbx,
    Receiver,
)
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.enums import EventType, HookScope
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.users.rights import EVERYTHING, Scope

#: Hooks changed at once. All are in one transaction, which must not keep others waiting.
MAX_SELECTED = 5_000
#: Event IDs in one statement.
BATCH = 500


class HookState(StrEnum):
    """Whether hooks send; a filter. Values are in URLs and commands."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    SUSPENDED = "suspended"
    #: Enabled, not suspended, and the last attempt failed.
    FAILING = "failing"

    def condition(self) -> ColumnElement[bool]:
        """Return the condition in SQL."""
        is_suspended = Hook.suspended_at.is_not(None)
        sends = and_(Hook.active.is_(True), ~is_suspended)
        return {
            HookState.ENABLED: sends,
            HookState.DISABLED: Hook.active.is_(False),
            HookState.SUSPENDED: and_(Hook.active.is_(True), is_suspended),
            HookState.FAILING: and_(sends, Hook.failing_since.is_not(None)),
        }[self]


@dataclass(frozen=True)
class HookWhere:
    """The filter: hooks that have all these values. Without values, all hooks."""

    pbx: Pbx | None = None
    #: The number of an extension; `*` stands for hooks of all extensions.
    extension: str = ""
    #: The name of a group of extensions.
    group: str = ""
    event_type: EventType | None = None
    state: HookState | None = None
    #: A host name, perhaps with a port, or a URL of which scheme, host and port count.
    host: str = ""
    receiver: Receiver | None = None
    scope: HookScope | None = None
    #: Texts that the note or the URL contains.
    note: str = ""
    url: str = ""

    @property
    def is_empty(self) -> bool:
        """True if all hooks match."""
        return not self._conditions()

    def conditions(self, scope: Scope = EVERYTHING) -> list[ColumnElement[bool]]:
        """Return the conditions in SQL for hooks in the scope, for a query that joins PBXs."""
        found = [Pbx.removing_at.is_(None), scope.of_hooks(), *self._conditions()]
        if self.url and not scope.is_all:
            # Whoever may not see the secrets in a URL must not find them out: see `may_see_url`.
            found.append(Hook.receiver_id.is_(None) | Hook.pbx_id.in_(scope.pbx_ids))
        return found

    def _conditions(self) -> list[ColumnElement[bool]]:
        found = [*self._of_place(), *self._of_target()]
        if self.event_type is not None:
            found.append(Hook.event_type == self.event_type)
        if self.state is not None:
            found.append(self.state.condition())
        if self.scope is not None:
            found.append(Hook.scope == self.scope)
        if self.note:
            found.append(Hook.note.icontains(self.note, autoescape=True))
        return found

    def _of_place(self) -> Iterator[ColumnElement[bool]]:
        if self.pbx is not None:
            yield Hook.pbx_id == self.pbx.id
        if self.extension == ALL_EXTENSIONS:
            yield Hook.extension_id.is_(None)
        elif self.extension:
            numbered = select(Extension.id).where(Extension.number == self.extension)
            yield Hook.extension_id.in_(numbered)
        if self.group:
            members = select(GroupMember.extension_id).join(
                ExtensionGroup, ExtensionGroup.id == GroupMember.group_id
            )
            yield Hook.extension_id.in_(members.where(ExtensionGroup.name == self.group))

    def _of_target(self) -> Iterator[ColumnElement[bool]]:
        if self.receiver is not None:
            yield Hook.receiver_id == self.receiver.id
        if self.host:
            yield Hook.origin_id.in_(select(Origin.id).where(is_at_host(self.host)))
        if self.url:
            yield Hook.url.contains(self.url, autoescape=True)

    def describe(self) -> dict[str, str]:
        """Return the values by label, for pages, commands and the history."""
        values = {
            "PBX": self.pbx.name if self.pbx else "",
            "extension": self.extension,
            "group": self.group,
            "event": self.event_type.label if self.event_type else "",
            "state": self.state or "",
            "host": self.host,
            "receiver": self.receiver.name if self.receiver else "",
            "scope": self.scope or "",
            "note contains": self.note,
            "URL contains": self.url,
        }
        return {label: text for label, text in values.items() if text}


def is_at_host(text: str) -> ColumnElement[bool]:
    """Return the condition for origins at a host, or of a URL; see `HookWhere.host`."""
    scheme, separator, rest = text.strip().lower().rpartition("://")
    host, colon, port = rest.partition("/")[0].rpartition(":")
    if not colon or not port.isdecimal():
        host, port = rest.partition("/")[0], ""
    if not port and separator:
        port = {"https": "443", "http": "80"}.get(scheme, "")
    start = Origin.name.startswith(f"{scheme}://", autoescape=True) if separator else None
    middle = f"://{_to_ascii(host)}:{port}"
    end = Origin.name.endswith if port else Origin.name.contains
    found = end(middle, autoescape=True)
    return found if start is None else and_(start, found)


def _to_ascii(host: str) -> str:
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return host


@dataclass(frozen=True)
class Selection:
    """Hooks to change: those that match, in the scope of the user, and perhaps only these IDs."""

    where: HookWhere = field(default_factory=HookWhere)
    scope: Scope = EVERYTHING
    #: None: all that match.
    event_ids: Collection[str] | None = None

    def describe(self) -> str:
        """Return the filter in words, for the history."""
        if self.event_ids is not None:
            return "chosen one by one"
        values = self.where.describe()
        return ", ".join(f"{label} {text}" for label, text in values.items()) or "none"

    def load(self, *, lock: bool = False) -> Sequence[Hook]:
        """Return the hooks by ID, with PBX and extension; raises InvalidError for too many.

        `lock`: for a change, as they are now.
        """
        query = self._select().order_by(Hook.id).limit(MAX_SELECTED + 1)
        if lock:
            query = query.with_for_update(of=Hook).execution_options(populate_existing=True)
        found: list[Hook] = []
        for condition in self._batches():
            found += db.session.scalars(query.where(*condition))
        if len(found) > MAX_SELECTED:
            raise InvalidError.of(
                "selection",
                f"More than {MAX_SELECTED:,} requests match. Narrow the filter, for example by "
                "PBX or event, and change them in parts.",
            )
        return sorted(found, key=lambda hook: hook.id)

    def _batches(self) -> Iterator[list[ColumnElement[bool]]]:
        if self.event_ids is None:
            yield []
            return
        wanted = sorted(one for one in set(self.event_ids) if one.isalnum() and one.isascii())
        for start in range(0, len(wanted), BATCH):
            yield [Hook.event_id.in_(wanted[start : start + BATCH])]

    def _select(self) -> Select[Any]:
        return (
            select(Hook)
            .join(Hook.pbx)
            .options(contains_eager(Hook.pbx), joinedload(Hook.extension))
            .where(*self.where.conditions(self.scope))
        )


def count(where: HookWhere, scope: Scope = EVERYTHING) -> int:
    """Return how many hooks match, in the scope."""
    query = select(func.count()).select_from(Hook).join(Hook.pbx)
    return db.session.scalar(query.where(*where.conditions(scope))) or 0


def find_page(
    where: HookWhere, *, scope: Scope = EVERYTHING, before: int | None = None, limit: int
) -> Sequence[Hook]:
    """Return matching hooks with IDs below `before`, newest first, with PBX and extension."""
    conditions = where.conditions(scope)
    if before is not None:
        conditions.append(Hook.id < before)
    ids = select(Hook.id).join(Hook.pbx).where(*conditions).order_by(Hook.id.desc()).limit(limit)
    query = (
        select(Hook)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .where(Hook.id.in_(ids))
        .order_by(Hook.id.desc())
    )
    return db.session.scalars(query).all()


def digest(hooks: Sequence[Hook], *more: object) -> str:
    """Return a digest of the hooks and of their versions, to compare a preview with later."""
    lines = [f"{hook.id} {hook.modified_at.isoformat()}" for hook in hooks]
    return sha256("\n".join([*lines, *map(repr, more)]).encode()).hexdigest()[:32]


def find_receivers_of(scope: Scope = EVERYTHING) -> Sequence[Receiver]:
    """Return the receivers that hooks in the scope have, by name."""
    used = select(Hook.receiver_id).where(scope.of_hooks(), Hook.receiver_id.is_not(None))
    query = select(Receiver).where(Receiver.id.in_(used))
    return db.session.scalars(query.order_by(func.lower(Receiver.name), Receiver.id)).all()


def find_receivers_for(hooks: Sequence[Hook], scope: Scope = EVERYTHING) -> Sequence[Receiver]:
    """Return the receivers in the scope that all these hooks may be moved to, by name.

    None for a user who may not edit the whole PBX of each.
    """
    pbx_ids = {hook.pbx_id for hook in hooks}
    if not all(map(scope.has_pbx, pbx_ids)):
        # See `may_choose` in hooks/receiver.py.
        return ()
    of_pbxs = Receiver.pbx_id.in_(pbx_ids) if len(pbx_ids) == 1 else false()
    query = select(Receiver).where(or_(Receiver.pbx_id.is_(None), of_pbxs), scope.of_receivers())
    return db.session.scalars(query.order_by(func.lower(Receiver.name), Receiver.id)).all()
