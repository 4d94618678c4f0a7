"""A worker that is killed in the middle of removing a PBX: another one goes on, to the end."""

from flask import Flask
from sqlalchemy import insert, select

from callevents.config.settings import Settings
from callevents.db.models import CallEvent, Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs import pbxs, removal
from callevents.pbxs.removal import BATCH_ROWS, Progress
from tests.conftest import Configure, RunPython
from tests.support.filled_pbx import count_rows, fill
from tests.support.waiting import wait_until
from tests.support.worker_process import kill, start_worker

#: Enough for dozens of batches, with a pause after each.
EVENTS = 60 * BATCH_ROWS


def add_many_events(pbx: Pbx) -> None:
    """Add events to the PBX."""
    now = utc_now()
    rows = [
        {
            "id": new_id(),
            "pbx_id": pbx.id,
            "key": str(number),
            "event_type": EventType.DIAL_IN,
            "extension": "101",
            "happened_at": now,
            "received_at": now,
        }
        for number in range(EVENTS)
    ]
    begin_write()
    db.session.execute(insert(CallEvent), rows)
    db.session.commit()


def find_progress(pbx_id: int) -> Progress | None:
    """Return how far the removal is, as stored; None if the PBX is gone."""
    db.session.rollback()
    row = db.session.execute(
        select(Pbx.rows_removed, Pbx.rows_to_remove).where(Pbx.id == pbx_id)
    ).one_or_none()
    db.session.rollback()
    return Progress(*row) if row else None


def is_under_way(pbx_id: int) -> bool:
    """Return True once some rows are removed."""
    progress = find_progress(pbx_id)
    return progress is None or progress.removed > 0


def test_killed_in_the_middle(
    app: Flask, settings: Settings, pbx: Pbx, configure: Configure, run_python: RunPython
) -> None:
    """The next worker continues where the killed one was, and nothing of the PBX stays."""
    fill(pbx, configure)
    add_many_events(pbx)
    begin_write()
    found = pbxs.get_pbx("head-office")
    pbx_id = found.id
    removal.begin_removal(found, "head-office")
    db.session.commit()
    killed = start_worker(run_python, settings)
    wait_until(lambda: is_under_way(pbx_id), "the first batches")
    kill(killed)
    middle = find_progress(pbx_id)
    assert middle is not None
    assert middle.total is not None
    assert 0 < middle.removed < middle.total
    assert count_rows()["call_event"] <= middle.total - middle.removed
    start_worker(run_python, settings)
    wait_until(lambda: find_progress(pbx_id) is None, "the end of the removal")
    assert count_rows() == {}
