"""Removing hooks and extensions, and undoing that."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from callevents.db.models import (
    Delivery,
    Extension,
    Grant,
    Hook,
    Pbx,
    Removal,
    SeenExtension,
    User,
    utc_now,
)
from callevents.db.models import Receiver as StoredReceiver
from callevents.db.session import begin_write, write_transaction
from callevents.delivery import removal
from callevents.delivery.removal import Removed, end_removals
from callevents.enums import (
    AuthKind,
    BodyFormat,
    DeliveryState,
    EventType,
    HookScope,
    Method,
    MissingAnswer,
    ParameterSet,
    Role,
)
from callevents.errors import ConflictError
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.operations.statistics import aggregate_minute, to_minute
from callevents.pbxs import extensions
from callevents.users.grants import NewGrant, describe_grants, set_grants
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportCall, get_delivery
from tests.support.claims import is_due
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

PENDING, HELD = DeliveryState.PENDING, DeliveryState.HELD
DELIVERED, CANCELLED = DeliveryState.DELIVERED, DeliveryState.CANCELLED
DAY = timedelta(days=1)


@pytest.fixture
def own(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of extension 101."""
    configure.extension("101", "Reception")
    return configure.hook("101", EventType.DIAL_IN, receiver.url)


def clear(*chosen: Hook) -> Removed:
    """Clear the hooks in a transaction of its own."""
    begin_write()
    removed = hooks.clear_hooks([db.session.get_one(Hook, hook.id) for hook in chosen])
    db.session.commit()
    return removed


def undo(pbx: Pbx, removal_id: str) -> Removed:
    """Undo a removal in a transaction of its own."""
    begin_write()
    undone = removal.undo(db.session.get_one(Pbx, pbx.id), removal_id)
    db.session.commit()
    return undone


def rows(model: type[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of the table as they are stored, by id."""
    db.session.rollback()
    table = model.__table__
    return [tuple(row) for row in db.session.execute(select(table).order_by(table.c.id))]


def states(ids: list[str]) -> list[DeliveryState]:
    """Return the states of these deliveries."""
    return [get_delivery(one).state for one in ids]


def test_cleared_and_undone(
    pbx: Pbx, own: Hook, report_call: ReportCall, make_engine: MakeEngine, receiver: Receiver
) -> None:
    """Cleared, a hook sends nothing; undone, all is as before, and what waited arrives in order."""
    ids = report_call("c1", 1, 2, 3, 4, 5, 6)
    before = rows(Hook)
    removed = clear(own)
    assert removed == Removed(hooks=1, waiting=6, id=removed.id)
    assert rows(Hook) == []
    assert states(ids) == [HELD] * 6
    engine = make_engine()
    assert engine.drain() == 0
    assert not is_due(utc_now() + DAY)
    assert report_call("c1", 7) == []
    assert undo(pbx, removed.id) == removed
    assert rows(Hook) == before, "with the same Event ID"
    assert rows(Removal) == []
    engine.wake()
    receiver.wait_for(6)
    wait_for_state(ids[-1], DELIVERED)
    assert [one.parameters["DeliveryID"] for one in receiver.arrivals] == ids
    assert len(report_call("c1", 8)) == 1


def test_every_column_comes_back(pbx: Pbx, own: Hook) -> None:
    """No value of a hook or an extension is lost, also where it is not the default."""
    begin_write()
    crm = StoredReceiver(slug="crm", name="CRM", address=own.url)
    db.session.add(crm)
    db.session.commit()
    values: dict[str, Any] = {
        "method": Method.POST,
        "note": "Zoë \U0001f600\n'\"",
        "active": False,
        "give_up_seconds": 30,
        "in_order": False,
        "body_format": BodyFormat.JSON,
        "parameters": ParameterSet.VOIPNOW,
        "auth": AuthKind.BASIC,
        "suspended_reason": "The receiver returned 410 Gone.",
        "receiver_id": crm.id,
        "once_id": 9,
        "recipe_request": "ring",
        "content_type": "application/json",
        "body_template": "{}",
        "value_maps": '{"direction": {"IN": "in"}}',
        "scope": HookScope.CALL,
        "conditions": '{"queues": ["a"]}',
        "answers": '{"ID": "/id"}',
        "missing_answer": MissingAnswer.OMIT,
    }
    names = ("auth_secret", "custom_headers", "signing_secret", "previous_signing_secret")
    values |= dict.fromkeys(names, "secret") | {"custom_headers": '[["X-Key", "secret"]]'}
    moments = ("previous_secret_until", "failing_since", "suspended_at", "created_at")
    values |= {name: utc_now() - DAY * n for n, name in enumerate((*moments, "modified_at"))}
    kept = {"id", "event_id", "pbx_id", "extension_id", "event_type", "url", "origin_id"}
    assert values.keys() | kept == set(Hook.__table__.columns.keys()), "a new column: set it here"
    with write_transaction(db.engine) as connection:
        connection.execute(update(Hook).values(values))
    before = rows(Hook), rows(Extension)
    begin_write()
    removed = extensions.delete_extension(db.session.get_one(Extension, own.extension_id))
    db.session.commit()
    assert (rows(Hook), rows(Extension)) == ([], [])
    undo(pbx, removed.id)
    assert (rows(Hook), rows(Extension)) == before


def test_extension_deleted_and_undone(
    pbx: Pbx, own: Hook, configure: Configure, receiver: Receiver, report_call: ReportCall
) -> None:
    """An extension comes back with all its hooks; those of other extensions are not touched."""
    configure.hook("101", EventType.HANGUP, receiver.url, active=False)
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    mine, others = report_call("c1", 1)
    before = rows(Hook), rows(Extension)
    begin_write()
    removed = extensions.delete_extension(db.session.get_one(Extension, own.extension_id))
    db.session.commit()
    assert removed == Removed(hooks=2, waiting=1, id=removed.id, extension="101")
    assert states([mine, others]) == [HELD, PENDING]
    assert len(rows(Hook)) == 1
    report_call("c2", 2)
    assert db.session.scalars(select(SeenExtension.number)).all() == ["101"], "a suggestion"
    assert undo(pbx, removed.id) == removed
    assert (rows(Hook), rows(Extension)) == before
    assert states([mine, others]) == [PENDING, PENDING]
    assert db.session.scalars(select(SeenExtension)).all() == []


def test_disabled_hooks_come_back_disabled(pbx: Pbx, own: Hook, report_call: ReportCall) -> None:
    """What was held before the removal is held after it was undone."""
    ids = report_call("c1", 1, 2)
    begin_write()
    hooks.set_active(db.session.get_one(Hook, own.id), active=False)
    db.session.commit()
    removed = clear(own)
    assert removed.waiting == 2
    assert undo(pbx, removed.id).waiting == 2
    assert states(ids) == [HELD, HELD]
    begin_write()
    assert hooks.set_active(db.session.get_one(Hook, own.id), active=True) == 2
    db.session.commit()


@pytest.mark.parametrize("wrong", ["", "x", "\x00", "0191d8f0-0000-7000-8000-000000000000"])
def test_nothing_to_undo(pbx: Pbx, other_pbx: Pbx, own: Hook, wrong: str) -> None:
    """An unknown removal, one of another PBX, and one undone already: a sentence, no change."""
    removed = clear(own)
    for whose, removal_id in ((pbx, wrong), (other_pbx, removed.id)):
        with pytest.raises(ConflictError, match="There is nothing to undo"):
            undo(whose, removal_id)
    assert rows(Hook) == []
    undo(pbx, removed.id)
    with pytest.raises(ConflictError, match="There is nothing to undo"):
        undo(pbx, removed.id)
    assert len(rows(Hook)) == 1


def test_added_again_meanwhile(
    pbx: Pbx, own: Hook, configure: Configure, report_call: ReportCall
) -> None:
    """If the number exists again, nothing is undone and the sentence says why."""
    ids = report_call("c1", 1)
    begin_write()
    removed = extensions.delete_extension(db.session.get_one(Extension, own.extension_id))
    db.session.commit()
    configure.extension("101", "Somebody else")
    with pytest.raises(ConflictError, match="extension 101 has been added again since"):
        undo(pbx, removed.id)
    db.session.rollback()
    assert rows(Hook) == []
    assert states(ids) == [HELD]
    begin_write()
    extensions.delete_extension(db.session.scalars(select(Extension)).one())
    db.session.commit()
    assert undo(pbx, removed.id).waiting == 1


def test_extension_deleted_meanwhile(pbx: Pbx, own: Hook) -> None:
    """Hooks cannot come back to an extension that is gone; in the other order, all can."""
    removed = clear(own)
    begin_write()
    later = extensions.delete_extension(db.session.get_one(Extension, own.extension_id))
    db.session.commit()
    with pytest.raises(ConflictError, match="the extension of these requests has been deleted"):
        undo(pbx, removed.id)
    undo(pbx, later.id)
    undo(pbx, removed.id)
    assert len(rows(Hook)) == len(rows(Extension)) == 1


def test_cleared_twice(pbx: Pbx, own: Hook) -> None:
    """In a second tab, clearing what is gone removes nothing."""
    stale = Hook(id=own.id, pbx_id=own.pbx_id)
    clear(own)
    begin_write()
    assert hooks.clear_hooks([stale]) == Removed()
    db.session.rollback()


def test_statistics_follow(pbx: Pbx, own: Hook, report_call: ReportCall) -> None:
    """The minute's numbers are those of the states: pending, held, pending again, cancelled."""
    report_call("c1", 1, 2)

    def counts() -> tuple[int, int, int]:
        db.session.rollback()
        minute = to_minute(db.session.scalars(select(Delivery.created_at)).first() or utc_now())
        with db.engine.connect() as connection:
            row = aggregate_minute(connection, minute)[pbx.id]
        return row["pending"], row["held"], row["cancelled"]

    assert counts() == (2, 0, 0)
    removed = clear(own)
    assert counts() == (0, 2, 0)
    undo(pbx, removed.id)
    assert counts() == (2, 0, 0)
    clear(own)
    end_removals(db.engine, utc_now() + DAY)
    assert counts() == (0, 0, 2)


def test_roles_of_an_extension(pbx: Pbx, own: Hook) -> None:
    """Undo gives back the roles for the extension, unless somebody has changed them meanwhile."""
    begin_write()
    extension = db.session.get_one(Extension, own.extension_id)
    for name in ("kept", "changed", "gone"):
        user = User(username=name, password_hash="")
        db.session.add(user)
        set_grants(user, [NewGrant(Role.SELF_SERVICE, pbx, extension)])
    removed = extensions.delete_extension(extension)
    db.session.commit()
    assert rows(Grant) == []
    begin_write()
    for name in ("changed", "gone"):
        user = db.session.scalars(select(User).where(User.username == name)).one()
        if name == "gone":
            db.session.delete(user)
        else:
            set_grants(user, [NewGrant(Role.VIEWER, pbx)])
    # On SQLite it may get the ID of the removed one.
    new = User(username="new", password_hash="")
    db.session.add(new)
    set_grants(new, [NewGrant(Role.VIEWER)])
    db.session.commit()
    undo(pbx, removed.id)
    db.session.rollback()
    grants = {user.username: describe_grants(user) for user in db.session.scalars(select(User))}
    assert grants == {
        "kept": ["self-service:head-office:101"],
        "changed": ["viewer:head-office"],
        "new": ["viewer"],
    }


def test_undo_keeps_the_quotas(pbx: Pbx, own: Hook, configure: Configure) -> None:
    """What was added meanwhile counts."""
    begin_write()
    pbx.max_hooks = 1
    removed = hooks.clear_hooks([own])
    db.session.commit()
    configure.hook("101", EventType.HANGUP, "http://a/")
    begin_write()
    with pytest.raises(ConflictError, match="quota of Head office is 1 requests"):
        removal.undo(pbx, removed.id)
