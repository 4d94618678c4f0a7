"""A PBX with hooks of several extensions, and ways to change them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select

from callevents.audit import Action
from callevents.db.models import AuditEntry, Delivery, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks.bulk import apply as bulk
from callevents.hooks.bulk.apply import Done, Previewed
from callevents.hooks.bulk.steps import Change, Plan
from callevents.hooks.bulk.undo import Undone, undo
from callevents.hooks.hooks import HookData, update_hook
from callevents.hooks.options import HookOptions, read_options
from callevents.hooks.selection import HookWhere, Selection
from callevents.users.rights import EVERYTHING
from tests.conftest import Configure


@dataclass
class Many:
    """Changes hooks, each time in a transaction of its own."""

    pbx: Pbx

    def plan(self, change: Change, **where: object) -> Plan:
        """Preview the change of all that match."""
        db.session.rollback()
        return bulk.preview(Selection(HookWhere(**where)), change)  # type: ignore[arg-type]

    def preview(self, change: Change) -> Previewed:
        """Return what a preview passes on."""
        return Previewed.of(self.plan(change))

    def apply(self, change: Change, previewed: Previewed | None = None, **where: object) -> Done:
        """Change all that match."""
        begin_write()
        done = bulk.apply(Selection(HookWhere(**where)), change, previewed)  # type: ignore[arg-type]
        db.session.commit()
        return done

    def undo(self, done: Done) -> Undone:
        """Undo a change."""
        begin_write()
        undone = undo(done.id, EVERYTHING)
        db.session.commit()
        return undone

    def entries(self, action: Action) -> Sequence[AuditEntry]:
        """Return the entries of the history about the action."""
        query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return db.session.scalars(query).all()


@pytest.fixture
def many(pbx: Pbx) -> Many:
    """A way to change hooks of the PBX."""
    return Many(pbx)


@pytest.fixture
def hooks(configure: Configure) -> Sequence[Hook]:
    """Hooks of three extensions, for two events, at one host."""
    for number in ("101", "102", "103"):
        configure.extension(number)
    return [
        configure.hook(number, event, f"https://old.example.com/{event.slug}/{number}")
        for number in ("101", "102", "103")
        for event in (EventType.DIAL_IN, EventType.HANGUP)
    ]


def urls() -> list[str]:
    """Return the URLs of all hooks, in the order of their IDs."""
    return list(db.session.scalars(select(Hook.url).order_by(Hook.id)))


def states(hook: Hook) -> list[str]:
    """Return the states of a hook's deliveries, oldest first."""
    query = select(Delivery.state).where(Delivery.hook_id == hook.id).order_by(Delivery.id)
    return [state.value for state in db.session.scalars(query)]


def set_options(hook: Hook, **options: object) -> None:
    """Change options of a hook, as its dialog does."""
    begin_write()
    wanted: HookOptions = replace(read_options(hook), **options)  # type: ignore[arg-type]
    update_hook(hook, HookData(hook.url, hook.method, hook.active, hook.note, wanted))
    db.session.commit()
