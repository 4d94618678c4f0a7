"""Enabling, disabling, changing the policy, clearing, and moving to a receiver."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from callevents.audit import Action
from callevents.audit.queries import find_cancellation, find_last
from callevents.db.models import BulkChange, Delivery, Hook, Pbx, Receiver, utc_now
from callevents.db.session import begin_write
from callevents.delivery.removal import end_removals
from callevents.delivery.suspend import suspend
from callevents.enums import AuthKind, EventType
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.hooks.bulk.changes import (
    HAS_SECRETS,
    OF_ANOTHER_PBX,
    MoveToReceiver,
    SetActive,
    SetPolicy,
)
from callevents.hooks.bulk.clear import Clear
from callevents.hooks.bulk.undo import end_changes, foresee, undo
from callevents.hooks.options import Credentials, CustomHeader
from callevents.hooks.selection import HookState
from callevents.users.rights import EVERYTHING, Scope
from tests.conftest import Configure
from tests.delivery.conftest import ReportCall, report_call
from tests.hooks.bulk.conftest import Many, set_options, states, urls
from tests.support.statement_count import counting

__all__ = ["report_call"]


def count_hooks() -> int:
    """Return how many hooks there are."""
    return db.session.scalar(select(func.count()).select_from(Hook)) or 0


def suspend_hook(hook: Hook) -> None:
    """Suspend the hook, as a worker does."""
    begin_write()
    suspend(db.session.connection(), hook.id, "The receiver returned 410 Gone.", utc_now())
    db.session.commit()


def test_disables_and_enables(many: Many, hooks: Sequence[Hook], report_call: ReportCall) -> None:
    """What waits is held, and goes on with Undo; the history says who has disabled each."""
    report_call("call-1", 0)
    done = many.apply(SetActive(active=False), event_type=EventType.DIAL_IN)
    assert (done.changed, done.held) == (3, 1)
    assert states(hooks[0]) == ["held"]
    entry = find_last(Action.HOOK_DISABLED, hooks[0])
    assert entry is not None
    assert entry.action == Action.HOOKS_DISABLED
    again = many.apply(SetActive(active=False), event_type=EventType.DIAL_IN)
    assert (again.changed, again.unchanged, again.id) == (0, 3, "")
    undone = many.undo(done)
    assert (undone.hooks, undone.released) == (3, 1)
    assert states(hooks[0]) == ["pending"]
    assert len(many.entries(Action.HOOKS_DISABLED)) == 1


def test_enabling_resumes(many: Many, hooks: Sequence[Hook]) -> None:
    """Suspended requests are resumed, and suspended again by Undo."""
    suspend_hook(hooks[0])
    assert len(many.plan(SetActive(active=True)).changing) == 1
    done = many.apply(SetActive(active=True), state=HookState.SUSPENDED)
    hook = db.session.get_one(Hook, hooks[0].id, populate_existing=True)
    assert (done.changed, hook.suspended_at) == (1, None)
    many.undo(done)
    db.session.refresh(hook)
    assert hook.suspended_reason == "The receiver returned 410 Gone."


def test_policy(many: Many, hooks: Sequence[Hook], report_call: ReportCall) -> None:
    """Requests and what waits get the new limit; Undo moves it back."""
    report_call("call-1", 0)
    expires_at = db.session.scalars(select(Delivery.expires_at)).one()
    done = many.apply(SetPolicy(3600, in_order=False))
    assert done.changed == 6
    changed = db.session.execute(select(Delivery.expires_at, Delivery.ordering_key)).one()
    assert changed.expires_at == expires_at - timedelta(hours=23)
    assert changed.ordering_key is None
    assert many.plan(SetPolicy(3600)).unchanged == 6
    [entry] = many.entries(Action.HOOKS_POLICY_CHANGED)
    assert entry.after["give_up_seconds"] == 3600
    many.undo(done)
    restored = db.session.execute(select(Delivery.expires_at, Delivery.ordering_key)).one()
    assert restored.expires_at == expires_at
    assert restored.ordering_key is not None
    for wrong in (SetPolicy(), SetPolicy(17)):
        with pytest.raises(InvalidError):
            many.plan(wrong)


def test_clears(many: Many, hooks: Sequence[Hook], other_pbx: Pbx, report_call: ReportCall) -> None:
    """Requests of all PBXs are removed with one entry each, and are back with their deliveries."""
    Configure(other_pbx).hook("*", EventType.HANGUP, "https://old.example.com/branch")
    report_call("call-1", 0)
    done = many.apply(Clear(), host="old.example.com")
    assert (done.changed, done.cancelled, count_hooks()) == (7, 1, 0)
    entries = many.entries(Action.HOOKS_CLEARED)
    assert [entry.object_name for entry in entries] == ["6 requests", "1 request"]
    assert not many.entries(Action.HOOK_CLEARED)
    undone = many.undo(done)
    assert (undone.hooks, undone.released, count_hooks()) == (7, 1, 7)
    assert len(many.entries(Action.HOOKS_UNDONE)) == 2


def test_cleared_for_good(many: Many, hooks: Sequence[Hook], report_call: ReportCall) -> None:
    """After a while it is final, and the cancelled delivery says who has ended it."""
    report_call("call-1", 0)
    done = many.apply(Clear())
    end_removals(db.engine, utc_now() + timedelta(seconds=1))
    db.session.rollback()
    delivery = db.session.scalars(select(Delivery)).one()
    entry = find_cancellation(delivery)
    assert entry is not None
    assert entry.action == Action.HOOKS_CLEARED
    with pytest.raises(ConflictError, match="final"):
        many.undo(done)


def test_changes_are_forgotten(many: Many, hooks: Sequence[Hook]) -> None:
    """After half an hour a worker removes what Undo needs, with the old secrets in it."""
    done = many.apply(SetActive(active=False))
    assert end_changes(db.engine, utc_now() - timedelta(minutes=1)) == 0
    assert end_changes(db.engine, utc_now() + timedelta(seconds=1)) == 1
    with pytest.raises(ConflictError, match="nothing to undo"):
        many.undo(done)


def test_undo_needs_the_right_for_all(many: Many, hooks: Sequence[Hook]) -> None:
    """The owner of one extension cannot undo what was done to others too."""
    done = many.apply(SetActive(active=False))
    begin_write()
    own = Scope(
        extension_ids=frozenset({hooks[0].extension_id or ""}),
        partial_pbx_ids=frozenset({many.pbx.id}),
    )
    with pytest.raises(NotFoundError):
        undo(done.id, own)
    db.session.rollback()
    assert many.undo(done).hooks == 6


def add_receiver(pbx_id: int | None = None, slug: str = "crm") -> Receiver:
    """Add a receiver."""
    begin_write()
    address = f"https://{slug}.example.com/v2/"
    receiver = Receiver(slug=slug, name="CRM", address=address, pbx_id=pbx_id)
    db.session.add(receiver)
    db.session.commit()
    return receiver


def test_moves_to_a_receiver(many: Many, hooks: Sequence[Hook], other_pbx: Pbx) -> None:
    """URLs begin with its address, and its credentials replace those of the requests."""
    set_options(hooks[0], credentials=Credentials(AuthKind.BEARER, secret="geheim"))
    set_options(hooks[1], headers=(CustomHeader("X-Key", "geheim"),))
    other = Configure(other_pbx).hook("*", EventType.HANGUP, "https://old.example.com/branch")
    receiver = add_receiver(many.pbx.id)
    done = many.apply(MoveToReceiver(receiver))
    assert done.left_out == {HAS_SECRETS: 1, OF_ANOTHER_PBX: 1}
    hook = db.session.get_one(Hook, hooks[0].id, populate_existing=True)
    assert (hook.receiver_id, hook.url) == (receiver.id, "https://crm.example.com/v2/dial-in/101")
    assert (hook.auth, hook.auth_secret) == (AuthKind.RECEIVER, "")
    assert many.plan(MoveToReceiver(receiver), receiver=receiver).unchanged == 5
    many.undo(done)
    db.session.refresh(hook)
    assert (hook.receiver_id, hook.auth) == (None, AuthKind.BEARER)
    assert "geheim" in cipher.bound.decrypt(hook.auth_secret)
    assert other.url in urls()


def test_what_can_be_undone_takes_few_statements(many: Many, hooks: Sequence[Hook]) -> None:
    """Receivers of all requests, those of before too, are read at once."""
    for number in ("101", "102", "103"):
        many.apply(MoveToReceiver(add_receiver(slug=f"old-{number}")), extension=number)
    done = many.apply(MoveToReceiver(add_receiver()))
    db.session.expire_all()
    change = db.session.get_one(BulkChange, done.id)
    statements: list[str] = []
    with counting(statements):
        assert foresee(change, EVERYTHING).hooks == 6
    assert len(statements) == 2


@pytest.mark.parametrize("is_removed", [True, False])
def test_undo_leaves_those_whose_receiver_is_gone(
    many: Many, hooks: Sequence[Hook], *, is_removed: bool
) -> None:
    """No hook gets back a receiver that was removed, or has another address, since."""
    old, new = add_receiver(), add_receiver(slug="new")
    many.apply(MoveToReceiver(old), extension="101")
    done = many.apply(MoveToReceiver(new), extension="101")
    also = many.apply(MoveToReceiver(new))
    begin_write()
    if is_removed:
        db.session.delete(db.session.get_one(Receiver, old.id))
    else:
        db.session.get_one(Receiver, old.id).address = "https://other.example.com/"
    db.session.commit()
    with pytest.raises(ConflictError, match="or their receivers have"):
        many.undo(done)
    db.session.rollback()
    assert many.undo(also).hooks == 4
    query = select(Hook.receiver_id).order_by(Hook.id)
    assert list(db.session.scalars(query)) == [new.id] * 2 + [None] * 4
