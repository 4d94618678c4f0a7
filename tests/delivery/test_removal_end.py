"""The end of a removal for good, and workers that come upon it: what waited is cancelled."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from callevents.config.settings import Settings
from callevents.db.models import Delivery, Hook, Pbx, Removal, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery import removal
from callevents.delivery.lease import UNLIMITED
from callevents.delivery.load_claims import load_sendable
from callevents.delivery.removal import (
    END_TIME,
    NOTHING_TO_UNDO,
    REMOVED_ERROR,
    UNDO_TIME,
    end_removals,
)
from callevents.errors import ConflictError
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.operations.scheduler import Scheduler
from tests.delivery.conftest import ReportCall, get_delivery
from tests.delivery.test_passed_over import waits_for_lock
from tests.delivery.test_races import run_together
from tests.delivery.test_removal import (
    CANCELLED,
    DAY,
    HELD,
    PENDING,
    clear,
    own,
    rows,
    states,
    undo,
)
from tests.support.claims import claim
from tests.support.waiting import wait_until

__all__ = ["own"]


def test_the_end_for_good(
    app: Flask, settings: Settings, pbx: Pbx, own: Hook, report_call: ReportCall
) -> None:
    """A worker ends a removal after half a minute: what waited is cancelled, and says why.

    A click in the last of its seconds still arrives in time.
    """
    ids = report_call("c1", 1, 2)
    removed = clear(own)
    scheduler = Scheduler(db.engine, settings)
    scheduler.send_heartbeat()
    scheduler.end_removals()
    assert states(ids) == [HELD, HELD], "it can be undone still"
    for age, state in ((UNDO_TIME, HELD), (END_TIME, CANCELLED)):
        with write_transaction(db.engine) as connection:
            connection.execute(update(Removal).values(removed_at=utc_now() - age))
        scheduler.end_removals()
        assert states(ids) == [state, state]
    scheduler.close()
    for one in map(get_delivery, ids):
        assert (one.state, one.error) == (CANCELLED, REMOVED_ERROR)
        assert one.finished_at is not None
    with pytest.raises(ConflictError) as caught:
        undo(pbx, removed.id)
    assert str(caught.value) == NOTHING_TO_UNDO
    assert rows(Hook) == rows(Removal) == []


def test_deliveries_that_a_worker_finds(pbx: Pbx, own: Hook, report_call: ReportCall) -> None:
    """Committed or claimed at the moment of the removal: held until its end, then cancelled."""
    ids = report_call("c1", 1) + report_call("c2", 1)
    removed = clear(own)
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(state=PENDING))
    assert load_sendable(db.engine, claim(), UNLIMITED, cipher.bound).claims == []
    assert states(ids) == [HELD, HELD]
    undo(pbx, removed.id)
    assert states(ids) == [PENDING, PENDING]
    clear(own)
    assert end_removals(db.engine, utc_now() + DAY) == 1
    with write_transaction(db.engine) as connection:
        connection.execute(update(Delivery).values(state=PENDING))
    assert load_sendable(db.engine, claim(), UNLIMITED, cipher.bound).claims == []
    assert states(ids) == [CANCELLED, CANCELLED]


# SQLite has one writer at a time.
@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_a_worker_that_decides_is_waited_for(pbx: Pbx, own: Hook, report_call: ReportCall) -> None:
    """A removal does not end while a worker that has seen it holds a delivery because of it."""
    ids = report_call("c1", 1)
    clear(own)
    database = db.engine
    db.session.rollback()
    thread = threading.Thread(target=end_removals, args=(database, utc_now() + DAY))
    with write_transaction(database) as worker:
        worker.execute(select(Pbx.id).with_for_update(read=True))
        thread.start()
        wait_until(lambda: waits_for_lock(database), "the end of the removal to wait")
        assert worker.scalars(select(Removal.id)).all() != []
    thread.join()
    assert states(ids) == [CANCELLED]
    assert rows(Removal) == []


@pytest.mark.slow
def test_undone_at_the_moment_of_its_end(
    app: Flask, pbx: Pbx, own: Hook, report_call: ReportCall
) -> None:
    """Either the removal is undone, or it has ended for good; never half of each."""
    database, pbx_id, hook_id = db.engine, pbx.id, own.id
    for place in range(25):
        ids = report_call(f"c{place}", 1, 2)
        before = rows(Hook)
        removed = clear(own)
        over = threading.Event()

        def bring_back(removal_id: str = removed.id, over: threading.Event = over) -> None:
            begin_write()
            try:
                removal.undo(db.session.get_one(Pbx, pbx_id), removal_id)
                db.session.commit()
                over.set()
            except ConflictError:
                db.session.rollback()

        def end() -> None:
            end_removals(database, utc_now() + DAY)

        run_together(app, bring_back, end)
        if over.is_set():
            assert rows(Hook) == before
            assert states(ids) == [PENDING, PENDING]
            begin_write()
            hooks.set_active(db.session.get_one(Hook, hook_id), active=False)
            hooks.cancel_held(db.session.get_one(Hook, hook_id))
            hooks.set_active(db.session.get_one(Hook, hook_id), active=True)
            db.session.commit()
        else:
            assert rows(Hook) == []
            assert states(ids) == [CANCELLED, CANCELLED]
            with write_transaction(database) as connection:
                connection.execute(Hook.__table__.insert(), [dict_of(before[0])])
    assert rows(Removal) == []


def dict_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a row of hooks by column."""
    return dict(zip(Hook.__table__.columns.keys(), row, strict=True))
