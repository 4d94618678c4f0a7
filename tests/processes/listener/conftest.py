"""Fixtures of listener tests: test servers, and a listener in this process."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from callevents.config.settings import Settings
from callevents.db.models import CallEvent, Connector, Pbx
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind
from callevents.extensions import db
from callevents.pbxs import connectors, extensions
from callevents.pbxs.connectors import ConnectorConfig
from callevents.processes.listener.listener import Listener
from callevents.processes.listener.timings import Timings
from tests.support.ami_server import AmiServer
from tests.support.esl_server import EslServer
from tests.support.pbx_server import SECRET, PbxServer
from tests.support.waiting import wait_until

SERVERS = {"asterisk": AmiServer, "freeswitch": EslServer}
#: Long enough to be renewed in time on a busy machine.
LEASE_SECONDS = 3.0
#: Reconnects, and notices changed connectors, at once.
QUICK = Timings(poll_seconds=0.05, initial_delay_seconds=0.05, empty_list_retry_seconds=0.05)
EXTENSIONS = ("101", "102", "103")

Serve = Callable[..., PbxServer]


class Listening:
    """A listener in this process, as `flask listen` runs it."""

    def __init__(self, app: Flask, timings: Timings = QUICK) -> None:
        self._listener = Listener(app, timings)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def id(self) -> str:
        """Its instance id."""
        return self._listener._instance.id

    @property
    def waiting(self) -> int:
        """Number of events read and not yet stored."""
        return sum(follower.waiting for follower in self._listener._followers.values())

    def _run(self) -> None:
        self._listener.run()
        self._listener.close()

    def stop(self) -> None:
        """Stop it and wait until it has ended."""
        self._listener.request_stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a short lease."""
    return settings.model_copy(update={"listen_lease_seconds": LEASE_SECONDS})


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a test server of that PBX type."""
    started: list[PbxServer] = []

    def serve(kind: str, **options: Any) -> PbxServer:
        started.append(SERVERS[kind](**options))
        return started[-1]

    yield serve
    for server in started:
        server.close()


@pytest.fixture
def listen(app: Flask) -> Iterator[Callable[..., Listening]]:
    """Starts a listener."""
    started: list[Listening] = []

    def listen(timings: Timings = QUICK) -> Listening:
        started.append(Listening(app, timings))
        return started[-1]

    yield listen
    for listening in started:
        listening.stop()


def connect(pbx: Pbx, kind: str, port: int, **values: Any) -> None:
    """Add a connector to that port, and the extensions."""
    begin_write()
    access = {
        "kind": ConnectorKind(kind),
        "host": "127.0.0.1",
        "port": port,
        "username": "callevents" if kind == "asterisk" else "",
        "secret": SECRET,
    }
    connectors.set_connector(pbx, ConnectorConfig(**access | values))
    known = {one.number for one in extensions.list_extensions(pbx)}
    for number in set(EXTENSIONS) - known:
        extensions.add_extension(pbx, number)
    db.session.commit()


def find(pbx: Pbx) -> Connector:
    """Return the connector as it is stored now."""
    db.session.rollback()
    return connectors.get_connector(pbx)


def wait_for_error(pbx: Pbx, words: str) -> Connector:
    """Wait until the connector's last error contains `words`; return the connector."""
    wait_until(lambda: words in find(pbx).last_error, f"an error {words!r}")
    return find(pbx)


def stored(pbx: Pbx) -> list[CallEvent]:
    """Return the PBX's events, in the order in which they were stored."""
    db.session.rollback()
    return list(db.session.query(CallEvent).filter_by(pbx_id=pbx.id).order_by(CallEvent.id).all())


def texts(pbx: Pbx) -> list[str]:
    """Return the stored events as text."""
    return [f"{one.extension} {one.event_type.slug} {one.peer}" for one in stored(pbx)]
