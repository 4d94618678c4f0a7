"""Hooks that are made, copied or moved together are sent once per call, as in a ring group."""

from collections.abc import Sequence

import pytest

from callevents.db.models import Pbx, Receiver
from callevents.db.session import begin_write
from callevents.enums import EventType, HookScope
from callevents.extensions import db
from callevents.hooks.bulk.add import Added, add_for_many
from callevents.hooks.bulk.apply import Done
from callevents.hooks.bulk.changes import MoveToReceiver
from callevents.hooks.bulk.copy import CopyTo
from callevents.hooks.hooks import HookData
from callevents.hooks.options import HookOptions
from callevents.pbxs.extensions import list_extensions
from tests.conftest import Configure
from tests.hooks.bulk.conftest import Many
from tests.ingest.calls import deliveries, store
from tests.ingest.test_once_per_call import told

DIAL_IN = EventType.DIAL_IN
PHONES = ("101", "102", "103", "104", "105")


@pytest.fixture
def phones(configure: Configure) -> Sequence[str]:
    """Five extensions."""
    for number in PHONES:
        configure.extension(number)
    return PHONES


def add(pbx: Pbx, scope: HookScope = HookScope.CALL, count: int = len(PHONES)) -> Added:
    """Configure a request for the first extensions."""
    begin_write()
    data = HookData("https://crm.example.com/in", options=HookOptions(scope=scope))
    added = add_for_many(pbx, list_extensions(pbx)[:count], DIAL_IN, data)
    db.session.commit()
    return added


def ring(pbx: Pbx) -> list[str]:
    """Let a call ring all extensions; return for which ones requests are sent."""
    store(pbx, *(told(DIAL_IN, phone) for phone in PHONES))
    return [one.extension for one in deliveries(DIAL_IN)]


def move(many: Many, **where: str) -> Done:
    """Move those that match to a receiver."""
    begin_write()
    receiver = Receiver(slug="new", name="New", address="https://new.example.com/")
    db.session.add(receiver)
    db.session.commit()
    return many.apply(MoveToReceiver(receiver), **where)


def test_configured_together(pbx: Pbx, phones: Sequence[str]) -> None:
    """Requests that are configured for five extensions make one request for a ring group."""
    add(pbx)
    assert ring(pbx) == ["101"]


def test_each_extension(pbx: Pbx, phones: Sequence[str]) -> None:
    """With the other scope each of them gets its request."""
    added = add(pbx, HookScope.EXTENSION)
    assert {hook.once_id for hook in added.hooks} == {None}
    assert ring(pbx) == [*PHONES]


@pytest.mark.parametrize(("count", "copied"), [(3, "102"), (3, "101"), (1, "101")])
def test_copied(many: Many, phones: Sequence[str], count: int, copied: str) -> None:
    """Copies of one of them, be it the first or the only one, are sent together with all others."""
    add(many.pbx, count=count)
    many.apply(CopyTo(list_extensions(many.pbx)), extension=copied)
    assert ring(many.pbx) == ["101"]


def test_all_moved(many: Many, phones: Sequence[str]) -> None:
    """Those that move to a receiver together are still sent once."""
    add(many.pbx)
    move(many)
    assert ring(many.pbx) == ["101"]


@pytest.mark.parametrize("moved", ["101", "103"])
def test_one_moved(many: Many, phones: Sequence[str], moved: str) -> None:
    """One that moves alone is sent by itself, be it the first one or not; the others together."""
    add(many.pbx)
    move(many, extension=moved)
    others = [phone for phone in PHONES if phone != moved]
    assert sorted(ring(many.pbx)) == sorted([moved, others[0]])


def test_some_moved(many: Many, phones: Sequence[str]) -> None:
    """Some that move are sent together, and so are the others; Undo joins all again."""
    added = add(many.pbx)
    begin_write()
    for hook in added.hooks[:2]:
        hook.note = "new"
    db.session.commit()
    done = move(many, note="new")
    assert sorted(ring(many.pbx)) == ["101", "103"]
    many.undo(done)
    store(many.pbx, *(told(DIAL_IN, phone, call_id="c2") for phone in PHONES))
    assert len(deliveries(DIAL_IN)) == 3
