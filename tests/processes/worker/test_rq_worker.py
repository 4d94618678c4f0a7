"""The RQ worker: it runs our own jobs, and nothing else that stands in Redis."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from rq import SimpleWorker
from rq.serializers import DefaultSerializer, JSONSerializer

from callevents.config.settings import Settings
from callevents.delivery.engine import Engine
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.jobs.rq_queue import OWN_JOBS, QUEUE
from callevents.jobs.waker import wake
from callevents.processes.worker.foreign_jobs import ForeignJobs
from callevents.processes.worker.rq_worker import DrainWorker
from tests.conftest import Configure, RunPython
from tests.jobs.test_waker import report
from tests.support import hostile_jobs
from tests.support.database_faults import missing_table
from tests.support.hostile_jobs import DROPPED, MARK, QUEUE_KEY, Attack
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state, wait_until
from tests.support.worker_process import start_worker

ATTACKS = pytest.mark.parametrize("attack", DROPPED, ids=lambda attack: attack.__name__)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with which workers hardly ever poll."""
    return settings.model_copy(update={"poll_seconds": 60})


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that an attack creates if it succeeds."""
    path = tmp_path / "mark"
    monkeypatch.setenv(MARK, str(path))
    return path


@pytest.fixture
def _signals() -> Iterator[None]:
    """Restore the handlers that RQ's loop replaces."""
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.fixture
def dropped() -> ForeignJobs:
    """The count of the worker's dropped jobs."""
    return ForeignJobs()


@pytest.fixture
def worker(
    app: Flask, engine: Engine, redis: Redis, settings: Settings, dropped: ForeignJobs
) -> DrainWorker:
    """A worker on the real Valkey with a running engine."""
    db.session.rollback()
    engine.start()
    return DrainWorker(engine, redis, settings, dropped)


@pytest.mark.usefixtures("_signals", "redis_url")
@pytest.mark.parametrize("attack", hostile_jobs.CODE, ids=lambda attack: attack.__name__)
def test_attacks_succeed_on_rq_itself(attack: Attack, redis: Redis, mark: Path) -> None:
    """RQ's own worker runs what the attacks name, so that they prove something about ours."""
    attack(redis, "")
    serializer = DefaultSerializer if "pickled" in attack.__name__ else JSONSerializer
    SimpleWorker([QUEUE], connection=redis, serializer=serializer).work(
        burst=True, logging_level="CRITICAL"
    )
    assert mark.exists()


@pytest.mark.usefixtures("_signals")
@ATTACKS
def test_nothing_of_a_foreign_job_runs(
    attack: Attack,
    worker: DrainWorker,
    dropped: ForeignJobs,
    redis: Redis,
    receiver: Receiver,
    mark: Path,
) -> None:
    """A foreign job is dropped, counted and deleted, and the worker goes on to the next job."""
    attack(redis, receiver.url)
    wake()
    redis.rpush(QUEUE_KEY, "one more that is missing")
    worker.work(burst=True, logging_level="CRITICAL")
    assert not mark.exists()
    assert receiver.arrivals == []
    assert dropped.count == DROPPED[attack]
    assert redis.llen(QUEUE_KEY) == 0
    if attack is not hostile_jobs.abandoned_job:
        assert redis.keys("rq:job:*") == []
    assert not redis.exists(f"rq:failed:{QUEUE}", f"rq:finished:{QUEUE}")


@pytest.mark.usefixtures("_signals")
def test_log_line_is_safe_and_rare(worker: DrainWorker, redis: Redis, logged: Logged) -> None:
    """The log has the name of the function, cut and sanitised, once for many such jobs."""
    for name in ("evil." + "x" * 500, "evil.\x1b[31m", "\n"):
        hostile_jobs._queue(redis).enqueue(name, "secret")
    worker.work(burst=True, logging_level="CRITICAL")
    [line] = [one for one in logged.lines if "not ours" in one]
    assert f'"function": "evil.{"x" * 55}"' in line
    assert "secret" not in logged.text


@pytest.mark.usefixtures("_signals")
def test_any_job_wakes_the_engine(
    app: Flask,
    worker: DrainWorker,
    redis: Redis,
    token: str,
    configure: Configure,
    receiver: Receiver,
) -> None:
    """Nobody enqueues a wake while a foreign job waits, so a foreign job wakes as well."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    hostile_jobs.our_name_with_arguments(redis, "")
    assert report(app, token) == 202
    assert redis.llen(QUEUE_KEY) == 1
    worker.work(burst=True, logging_level="CRITICAL")
    receiver.wait_for(1)


@pytest.mark.usefixtures("_signals")
def test_job_survives_a_database_error(worker: DrainWorker, logged: Logged) -> None:
    """A database error during our job is logged, and the worker goes on."""
    wake()
    with missing_table(db.engine, "delivery"):
        assert worker.work(burst=True, logging_level="CRITICAL")
        wait_until(lambda: "database unavailable" in logged.text, "a failed look")


def test_each_own_job_has_a_function(worker: DrainWorker) -> None:
    """The worker knows every job that the application enqueues, and no other."""
    assert set(OWN_JOBS.values()) == worker.functions.keys()


def test_worker_process_under_attack(
    app: Flask,
    settings: Settings,
    token: str,
    configure: Configure,
    receiver: Receiver,
    redis: Redis,
    mark: Path,
    run_python: RunPython,
) -> None:
    """`flask worker` runs nothing foreign, listens to no commands, and delivers."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    for attack in DROPPED:
        attack(redis, receiver.url)
    worker = start_worker(run_python, settings)
    worker.wait_for_line("dropped a job that is not ours")
    wait_until(lambda: redis.llen(QUEUE_KEY) == 0, "an empty queue")
    assert redis.pubsub_channels() == []
    assert report(app, token) == 202
    [arrival] = receiver.wait_for(1)
    wait_for_state(arrival.parameters["DeliveryID"], DeliveryState.DELIVERED)
    assert not mark.exists()
    worker.process.terminate()
    assert worker.wait() == 0
    assert "Traceback" not in worker.output
