"""Changes of many hooks at the same moment."""

from collections.abc import Sequence

from flask import Flask
from sqlalchemy import func, select

from callevents.audit import Action
from callevents.db.models import BulkChange, Hook
from callevents.db.session import begin_write
from callevents.errors import CallEventsError
from callevents.extensions import db
from callevents.hooks.bulk.apply import SelectionChangedError, apply
from callevents.hooks.bulk.changes import ReplaceUrl, SetActive
from callevents.hooks.bulk.clear import Clear
from callevents.hooks.bulk.undo import undo
from callevents.hooks.selection import Selection
from callevents.users.rights import EVERYTHING
from tests.delivery.test_races import run_together
from tests.hooks.bulk.conftest import Many, urls


def test_only_one_of_two_that_saw_the_same(app: Flask, many: Many, hooks: Sequence[Hook]) -> None:
    """Two users apply the same preview: one changes all, the other one nothing."""
    changes = [ReplaceUrl("old.", "one."), ReplaceUrl("old.", "two.")]
    previews = [many.preview(change) for change in changes]
    db.session.rollback()
    refused: list[Exception] = []

    def work(place: int) -> None:
        begin_write()
        try:
            apply(Selection(), changes[place], previews[place])
        except SelectionChangedError as error:
            refused.append(error)
        else:
            db.session.commit()

    run_together(app, lambda: work(0), lambda: work(1))
    assert len(refused) == 1
    assert len({url.split(".")[0] for url in urls()}) == 1
    assert len(many.entries(Action.HOOKS_URL_REPLACED)) == 1


def test_undone_once(app: Flask, many: Many, hooks: Sequence[Hook]) -> None:
    """Two clicks on Undo undo it once."""
    done = many.apply(SetActive(active=False))
    db.session.rollback()
    results: list[str] = []

    def work() -> None:
        begin_write()
        try:
            undo(done.id, EVERYTHING)
            db.session.commit()
        except CallEventsError as error:
            results.append(str(error))

    run_together(app, work, work)
    assert len(results) == 1
    assert db.session.scalar(select(func.count()).select_from(BulkChange)) == 0
    assert len(many.entries(Action.HOOKS_UNDONE)) == 1


def test_clear_and_replace_do_not_deadlock(app: Flask, many: Many, hooks: Sequence[Hook]) -> None:
    """One removes all hooks, the other one changes them: both end, in one order or the other."""
    db.session.rollback()

    def clear() -> None:
        begin_write()
        apply(Selection(), Clear())
        db.session.commit()

    def replace() -> None:
        begin_write()
        apply(Selection(), ReplaceUrl("old.", "new."))
        db.session.commit()

    run_together(app, clear, replace)
    assert urls() == []
