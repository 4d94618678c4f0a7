"""Waking workers: after the commit, at most once, quickly, and harmlessly without Redis."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import func, select

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Delivery, utc_now
from callevents.delivery.engine import Engine
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.jobs import rq_queue
from callevents.jobs.handover import Entry
from callevents.jobs.rq_queue import warn_of_open_redis
from callevents.jobs.waker import Waker, wake
from callevents.processes.worker.foreign_jobs import ForeignJobs
from callevents.processes.worker.rq_worker import DrainWorker
from tests.conftest import Client, Configure, let_go
from tests.support.hand_over_list import read_list
from tests.support.log_capture import Logged, capture_log
from tests.support.programs import ROOT, Program, find_free_port
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state, wait_until
from tests.support.worker_process import COMMAND, start_worker, worker_settings

QUEUE = "rq:queue:callevents"
URL = "/ingest/head-office"
NOT_WOKEN = "could not wake workers; falling back to polling"


class FakeRedis:
    """Listens in place of Redis, and calls `act` with each connection before it closes."""

    def __init__(self, act: Callable[[socket.socket], None], port: int = 0) -> None:
        self.accepted = 0
        self._act = act
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> "FakeRedis":
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    @property
    def url(self) -> str:
        """The URL for the setting."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            with connection:
                self._act(connection)


@contextmanager
def application(settings: Settings, redis_url: str) -> Iterator[tuple[Flask, Logged]]:
    """Create an application on the same database with another Redis, and capture its log."""
    app = create_app(settings.model_copy(update={"redis_url": redis_url}))
    app.testing = True
    app.test_client_class = Client
    with capture_log() as logged:
        yield app, logged
    let_go(app)


def report(app: Flask, token: str, key: str = "") -> int:
    """Report a dial-in; return the status of the response."""
    event = {"event": "dial-in", "ext": "101", "id": key}
    headers = {"X-Ingest-Token": token}
    return app.test_client().post(URL, json=event, headers=headers).status_code


def test_one_job_wakes_for_many_commits(app: Flask, redis_url: str) -> None:
    """While a job is waiting, no other is enqueued; after it was taken, the next wake adds one."""
    with Redis.from_url(redis_url) as redis:
        for _ in range(3):
            wake()
        assert redis.llen(QUEUE) == 1
        redis.lpop(QUEUE)
        wake()
        assert redis.llen(QUEUE) == 1


def test_commit_comes_before_the_wake(settings: Settings, token: str, configure: Configure) -> None:
    """When Redis gets the wake, other connections can already read the delivery."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    seen: list[int] = []

    def count_deliveries(database: SqlEngine) -> int:
        with database.connect() as connection:
            return connection.scalar(select(func.count()).select_from(Delivery)) or 0

    database = db.engine
    db.session.rollback()
    with (
        FakeRedis(lambda _connection: seen.append(count_deliveries(database))) as redis,
        application(settings, redis.url) as (app, _),
    ):
        assert report(app, token) == 202
    assert seen == [1]


def test_no_wake_without_deliveries(settings: Settings, token: str, configure: Configure) -> None:
    """An event without deliveries, and a duplicate, cause no wake."""
    configure.hook("*", EventType.HANGUP, "http://127.0.0.1:9/")
    with (
        FakeRedis(lambda _connection: None) as redis,
        application(settings, redis.url) as (app, _),
    ):
        assert [report(app, token, "k") for _ in range(2)] == [202, 200]
    assert redis.accepted == 0


def test_redis_is_down(
    settings: Settings, token: str, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis, events are accepted, and nobody tries to reach it for a while."""
    monkeypatch.setattr("callevents.jobs.waker.WAKE_BACKOFF_SECONDS", 3600)
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    port = find_free_port()
    with application(settings, f"redis://127.0.0.1:{port}/0") as (app, logged):
        assert report(app, token) == 202
        assert logged.text.count(NOT_WOKEN) == 1
        with FakeRedis(lambda _connection: None, port) as redis:
            assert report(app, token) == 202
            assert redis.accepted == 0


def test_redis_is_back(settings: Settings, token: str, configure: Configure) -> None:
    """After the backoff the next wake is sent."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    port = find_free_port()
    with application(settings, f"redis://127.0.0.1:{port}/0") as (app, logged):
        assert report(app, token) == 202
        assert logged.text.count(NOT_WOKEN) == 1
        with FakeRedis(lambda _connection: None, port) as redis:
            wait_until(lambda: (report(app, token), redis.accepted)[1], "the next wake")


def test_redis_hangs(
    settings: Settings, token: str, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that accepts connections and never responds does not delay events for long."""
    monkeypatch.setattr("callevents.jobs.waker.WAKE_TIMEOUT_SECONDS", 0.25)
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    # Ends when the client times out and closes the connection.
    with FakeRedis(drain_socket) as redis, application(settings, redis.url) as (app, logged):
        assert report(app, token) == 202
    assert logged.text.count(NOT_WOKEN) == 1


def drain_socket(connection: socket.socket) -> None:
    """Read until the peer closes."""
    while connection.recv(65536):
        pass


def test_redis_returns_an_error(settings: Settings, logged: Logged) -> None:
    """An error reply from Redis is logged and not raised."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"-LOADING Redis is loading the dataset in memory\r\n" * 4)

    with FakeRedis(refuse) as redis:
        Waker(settings.model_copy(update={"redis_url": redis.url})).wake()
    assert NOT_WOKEN in logged.text


def test_redis_goes_away_after_the_hand_over(
    app: Flask, settings: Settings, valkey: str, logged: Logged
) -> None:
    """Entries that are in the list count as handed over, although no job could be enqueued.

    A worker may have popped them already: released, they would be sent twice.
    """
    port = urlsplit(valkey).port
    assert port

    def forward(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            while (data := connection.recv(65536)) and b"rq:job:" not in data:
                upstream.sendall(data)
                connection.sendall(upstream.recv(65536))

    entry = Entry(utc_now(), {"a": 1})
    with FakeRedis(forward) as redis:
        waker = Waker(settings.model_copy(update={"redis_url": redis.url}))
        assert waker.wake([entry])
        assert not waker.is_open
    assert NOT_WOKEN in logged.text
    with Redis.from_url(valkey) as client:
        assert read_list(client, settings) == entry.fences
        assert client.llen(QUEUE) == 0


def test_stop_before_the_queue_is_served(app: Flask, engine: Engine, settings: Settings) -> None:
    """A worker that is stopped while it starts processes no job."""
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    wake()
    engine.request_stop()
    with Redis.from_url(settings.redis_url) as redis:
        try:
            assert not DrainWorker(engine, redis, settings, ForeignJobs()).work(
                burst=True, logging_level="CRITICAL"
            )
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
        assert redis.llen(QUEUE) == 1


def test_worker_process_delivers_when_it_is_woken(
    app: Flask,
    settings: Settings,
    token: str,
    configure: Configure,
    receiver: Receiver,
    run_python: Callable[..., Program],
) -> None:
    """`flask worker` processes the enqueued job, delivers, and stops on SIGTERM."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    worker = start_worker(run_python, settings)
    for number in range(1, 4):
        assert report(app, token) == 202
        arrivals = receiver.wait_for(number)
    for arrival in arrivals:
        wait_for_state(arrival.parameters["DeliveryID"], DeliveryState.DELIVERED)
    with Redis.from_url(settings.redis_url) as redis:
        # A job runs while there is work, and another one may have been enqueued meanwhile.
        wait_until(lambda: redis.keys("rq:job:*") == [], "jobs that leave nothing behind")
        assert redis.llen(QUEUE) == 0
    worker.process.terminate()
    assert worker.wait() == 0
    assert "worker stopped" in worker.output
    assert "Traceback" not in worker.output


def test_worker_process_without_redis(
    app: Flask,
    settings: Settings,
    token: str,
    configure: Configure,
    receiver: Receiver,
    run_python: Callable[..., Program],
) -> None:
    """Without Redis a worker logs it, and its poller delivers."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    assert report(app, token) == 202
    worker = run_python(
        *COMMAND,
        **worker_settings(
            settings, redis_url=f"redis://127.0.0.1:{find_free_port()}/0", poll_seconds="0.05"
        ),
    )
    worker.wait_for_line("not woken by Redis; polling for due deliveries")
    [arrival] = receiver.wait_for(1)
    wait_for_state(arrival.parameters["DeliveryID"], DeliveryState.DELIVERED)
    worker.process.terminate()
    assert worker.wait() == 0
    assert "Redis unavailable" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [
        ("redis://queue.example:6379/0", True),
        ("redis://10.0.0.5", True),
        ("redis://user@queue.example", True),
        ("rediss://queue.example/0", True),
        ("redis://:secret@queue.example", False),
        ("rediss://user:secret@queue.example", False),
        ("redis://queue.example?password=secret", False),
        ("rediss://queue.example?ssl_certfile=/client.pem", False),
        ("redis://localhost:6379", False),
        ("redis://127.0.0.1", False),
        ("redis://[::1]:6379", False),
        ("unix:///run/redis.sock", False),
        ("", False),
    ],
)
def test_warning_of_a_redis_without_password(url: str, is_warned: bool, logged: Logged) -> None:
    """A Redis on another machine without a password gives a warning, which has no secrets."""
    warn_of_open_redis(Settings(redis_url=url))
    assert ("Redis has no password" in logged.text) == is_warned
    assert "user@" not in logged.text


@pytest.mark.parametrize("command", ["web", "worker", "up"])
def test_commands_warn_of_a_redis_without_password(
    command: str, run_python: Callable[..., Program]
) -> None:
    """A command that runs a process warns when it starts."""
    program = run_python(
        *("-m", "flask", "--app", str(ROOT / "app.py"), command),
        redis_url="redis://queue.invalid",
        port=str(find_free_port()),
    )
    program.wait_for_line("Redis has no password")


def test_queue_has_one_name() -> None:
    """Waker and worker use the same queue."""
    assert f"rq:queue:{rq_queue.QUEUE}" == QUEUE
