"""Replacing a part of many URLs, and undoing that."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from callevents.audit import Action
from callevents.audit.actions import ObjectKind
from callevents.audit.queries import Filter, find_page
from callevents.db.models import BulkChange, Delivery, Hook, Origin
from callevents.db.session import begin_write
from callevents.enums import AuthKind, EventType
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import cipher, db
from callevents.hooks.bulk.apply import SelectionChangedError
from callevents.hooks.bulk.changes import HAS_SECRETS, NO_VALID_URL, ReplaceUrl
from callevents.hooks.bulk.secrets import WITHOUT_SECRETS
from callevents.hooks.hooks import set_active
from callevents.hooks.options import Credentials, CustomHeader
from tests.conftest import Configure
from tests.delivery.conftest import ReportCall, report_call
from tests.hooks.bulk.conftest import Many, set_options, urls

__all__ = ["report_call"]

MOVE = ReplaceUrl("old.example.com", "new.example.com:8443")


def test_moves_all_and_back(many: Many, hooks: Sequence[Hook]) -> None:
    """All URLs have the new host, with its origin; Undo restores them, and only once."""
    before = urls()
    done = many.apply(MOVE, many.preview(MOVE))
    assert (done.changed, done.unchanged, done.left_out) == (6, 0, {})
    assert urls() == [url.replace("old.example.com", "new.example.com:8443") for url in before]
    origins = db.session.scalars(select(Origin.name).join(Hook, Hook.origin_id == Origin.id))
    assert set(origins) == {"https://new.example.com:8443"}
    undone = many.undo(done)
    assert (undone.hooks, undone.left_out) == (6, 0)
    assert urls() == before
    with pytest.raises(ConflictError, match="nothing to undo"):
        many.undo(done)


def test_preview_writes_nothing_and_counts(many: Many, hooks: Sequence[Hook]) -> None:
    """What would be no valid URL is left out, with the reason; the rest is shown, masked."""
    before = urls()
    plan = many.plan(ReplaceUrl("dial-in/", "a b/"))
    assert (len(plan.changing), plan.unchanged) == (0, 3)
    assert plan.count_left_out() == {NO_VALID_URL: 3}
    assert "spaces" in plan.left_out[NO_VALID_URL][0].detail
    plan = many.plan(ReplaceUrl("/101", "/101?token=geheim"))
    assert {step.after.partition("?")[2] for step in plan.changing} == {"token=••••"}
    assert urls() == before
    with pytest.raises(InvalidError, match="Enter the text"):
        many.plan(ReplaceUrl(" ", "x"))


def test_one_entry_names_all(many: Many, hooks: Sequence[Hook]) -> None:
    """The history has one entry, which the history of each request finds."""
    many.apply(MOVE, host="old.example.com")
    [entry] = many.entries(Action.HOOKS_URL_REPLACED)
    assert (entry.object_kind, entry.object_name) == ("hooks", "6 requests")
    assert entry.after["filter"] == "host old.example.com"
    assert entry.after["find"] == "old.example.com"
    assert not many.entries(Action.HOOK_CHANGED)
    for hook in hooks:
        wanted = Filter(object_kind=ObjectKind.HOOK, object_id=hook.event_id)
        actions = [one.action for one in find_page(wanted, limit=5).found]
        assert actions == [Action.HOOKS_URL_REPLACED, Action.HOOK_CREATED]
    other = Filter(object_kind=ObjectKind.HOOK, object_id="x" * 30)
    assert not find_page(other, limit=5).found


def test_secrets_in_the_text_stay_out_of_the_history(many: Many, configure: Configure) -> None:
    """A text that is a part of a secret is masked."""
    configure.hook("*", EventType.HANGUP, "https://crm.example.com/?token=geheim1")
    many.apply(ReplaceUrl("geheim1", "geheim2"), url="geheim1")
    [entry] = many.entries(Action.HOOKS_URL_REPLACED)
    assert "geheim" not in f"{entry.before} {entry.after}"
    assert urls() == ["https://crm.example.com/?token=geheim2"]


def test_secrets_stay_with_their_host(many: Many, hooks: Sequence[Hook]) -> None:
    """Hooks with secrets are left out, or lose them and are suspended; Undo brings them back."""
    set_options(
        hooks[0],
        credentials=Credentials(AuthKind.BEARER, secret="geheim"),
        headers=(CustomHeader("X-Key", "geheim"),),
    )
    plan = many.plan(MOVE)
    assert plan.count_left_out() == {HAS_SECRETS: 1}
    drop = ReplaceUrl(MOVE.find, MOVE.replacement, drops_secrets=True)
    done = many.apply(drop)
    hook = db.session.get_one(Hook, hooks[0].id)
    assert (done.changed, hook.suspended_reason) == (6, WITHOUT_SECRETS)
    assert "geheim" not in cipher.bound.decrypt(hook.auth_secret)
    assert hook.auth is AuthKind.BEARER
    many.undo(done)
    db.session.refresh(hook)
    assert hook.suspended_at is None
    assert "geheim" in cipher.bound.decrypt(hook.auth_secret)
    # A path is of the same host.
    assert many.plan(ReplaceUrl("/dial-in", "/in")).left_out == {}


def test_applies_only_what_was_previewed(
    many: Many, hooks: Sequence[Hook], configure: Configure
) -> None:
    """If a request was changed or added since the preview, nothing changes, and it says what."""
    previewed = many.preview(MOVE)
    begin_write()
    set_active(hooks[0], active=False)
    db.session.commit()
    with pytest.raises(SelectionChangedError, match="changed since: Dial-In of 101"):
        many.apply(MOVE, previewed)
    previewed = many.preview(MOVE)
    configure.hook("*", EventType.HANGUP, "https://old.example.com/")
    with pytest.raises(SelectionChangedError, match="6 requests were selected, now there are 7"):
        many.apply(MOVE, previewed)
    db.session.rollback()
    assert {url.split("/")[2] for url in urls()} == {"old.example.com"}


def test_undo_leaves_what_was_changed_since(many: Many, hooks: Sequence[Hook]) -> None:
    """A request that was changed since keeps its values; if all were, nothing is undone."""
    done = many.apply(MOVE)
    begin_write()
    set_active(db.session.get_one(Hook, hooks[0].id), active=False)
    db.session.commit()
    undone = many.undo(done)
    assert (undone.hooks, undone.left_out) == (5, 1)
    assert [url.split("/")[2] for url in urls()].count("new.example.com:8443") == 1
    [entry] = many.entries(Action.HOOKS_UNDONE)
    assert (entry.object_name, entry.after["undone"]) == ("5 requests", "Part of URLs replaced")
    done = many.apply(MOVE, extension="102")
    many.apply(ReplaceUrl("new.example", "newer.example"))
    with pytest.raises(ConflictError, match="all of these requests have been changed"):
        many.undo(done)
    db.session.rollback()
    assert db.session.get(BulkChange, done.id) is not None


def test_waiting_deliveries_follow(
    many: Many, hooks: Sequence[Hook], report_call: ReportCall
) -> None:
    """What waits is sent to the new URL, and in the order of the new receiver."""
    report_call("call-1", 0)
    many.apply(MOVE)
    rows = db.session.execute(select(Delivery.url, Delivery.origin_id)).all()
    wanted = set(db.session.scalars(select(Hook.origin_id)))
    assert rows
    assert {row.url.split("/")[2] for row in rows} == {"new.example.com:8443"}
    assert {row.origin_id for row in rows} == wanted
