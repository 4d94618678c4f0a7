"""Tests of /status."""

from datetime import timedelta

from flask import Flask

from callevents.api.v1.problems import ProblemType
from callevents.config import VERSION
from callevents.config.settings import Settings
from callevents.db.models import Extension, Pbx, WorkerProcess, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import app_state, db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.support.ports import find_free_port


def report(pbx: Pbx, times: int) -> None:
    """Let deliveries of the PBX wait."""
    begin_write()
    hooks.create_hook(pbx, None, EventType.DIAL_IN, hooks.HookData("http://a.example/"))
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101") for _ in range(times)])
    db.session.commit()


def add_workers() -> None:
    """Store a worker that runs, and one that does not respond."""
    begin_write()
    now = utc_now()
    for seen_at in (now, now - timedelta(minutes=5)):
        worker = WorkerProcess(
            host="h", pid=1, version=VERSION, started_at=now, seen_at=seen_at, foreign_jobs=0
        )
        db.session.add(worker)
    db.session.commit()


def test_all_is_well(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """It has the version, the state of each part, the workers and what waits."""
    report(pbx, 2)
    report(other_pbx, 1)
    add_workers()
    answer = admin.get("/status")
    assert answer.status_code == 200
    status = answer.get_json()
    assert status["backlog"].pop("due_since") is not None
    assert status == {
        "version": VERSION,
        "status": "ok",
        "database": "ok",
        "redis": "ok",
        "workers": {"running": 1, "not_responding": 1},
        "backlog": {"pending": 3, "held": 0, "has_more": False},
    }


def test_numbers_of_others_are_not_in_it(
    api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension
) -> None:
    """What waits is counted for the PBXs that the token may see; without a whole one it is null."""
    report(pbx, 2)
    report(other_pbx, 1)

    def pending(mine: Api) -> int | None:
        backlog = mine.get("/status").get_json()["backlog"]
        return backlog and backlog["pending"]

    assert pending(api(Role.VIEWER, ["audit:read"])) == 3
    assert pending(api(Role.VIEWER, pbx=pbx)) == 2
    assert pending(api(limited_to=other_pbx)) == 1
    assert pending(api(Role.SELF_SERVICE, pbx=pbx, extension=extension)) is None


def test_held_deliveries(admin: Api, pbx: Pbx) -> None:
    """Deliveries of a disabled hook are held, and not pending."""
    report(pbx, 2)
    event_id = admin.get("/hooks").get_json()["data"][0]["event_id"]
    admin.patch(f"/hooks/{event_id}", {"active": False})
    backlog = admin.get("/status").get_json()["backlog"]
    assert (backlog["pending"], backlog["held"], backlog["due_since"]) == (0, 2, None)


def test_without_redis(app: Flask, settings: Settings, admin: Api) -> None:
    """It answers, and says what is wrong."""
    nowhere = f"redis://127.0.0.1:{find_free_port()}/0"
    state = app_state(app)
    state.settings = settings.model_copy(update={"redis_url": nowhere})
    status = admin.get("/status").get_json()
    assert (status["status"], status["database"]) == ("unavailable", "ok")
    assert status["redis"] == "does not answer"


def test_without_a_token(nobody: Api) -> None:
    """It needs a token: monitoring without one uses /readyz."""
    check_problem(nobody.get("/status"), ProblemType.UNAUTHORIZED)
