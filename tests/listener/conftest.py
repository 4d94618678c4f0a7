"""What the tests of listening share: PBXs on sockets, and a listener in this process."""

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
from callevents.processes.listener import backoff, listener
from callevents.processes.listener.listener import Listener
from tests.listener.ami_server import AmiServer
from tests.listener.esl_server import EslServer
from tests.listener.pbx_server import SECRET, PbxServer
from tests.waiting import wait_until

SERVERS = {"asterisk": AmiServer, "freeswitch": EslServer}
LEASE_SECONDS = 1.0
EXTENSIONS = ("101", "102", "103")

Serve = Callable[..., PbxServer]


class Listening:
    """A listener in this process, as `flask listen` runs it, that can be stopped."""

    def __init__(self, app: Flask) -> None:
        self._listener = Listener(app)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def id(self) -> str:
        """What it calls itself as the leader."""
        return self._listener._myself.id

    @property
    def waiting(self) -> int:
        """How many events it has read that are not stored."""
        return sum(follower.waiting for follower in self._listener._followers.values())

    def _run(self) -> None:
        self._listener.run()
        self._listener.close()

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        self._listener.request_stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that need little patience."""
    return settings.model_copy(update={"listen_lease_seconds": LEASE_SECONDS})


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again, and see what is set, at once."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(listener, "LOOK_SECONDS", 0.05)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a PBX of that kind."""
    started: list[PbxServer] = []

    def serve(kind: str, **options: Any) -> PbxServer:
        started.append(SERVERS[kind](**options))
        return started[-1]

    yield serve
    for server in started:
        server.close()


@pytest.fixture
def listen(app: Flask) -> Iterator[Callable[[], Listening]]:
    """Starts a listener."""
    started: list[Listening] = []

    def listen() -> Listening:
        started.append(Listening(app))
        return started[-1]

    yield listen
    for listening in started:
        listening.stop()


def connect(pbx: Pbx, kind: str, port: int, **values: Any) -> None:
    """Give the PBX a connector to that port, and its extensions."""
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
    """Wait until the connector's last error has these words; return the connector."""
    wait_until(lambda: words in find(pbx).last_error, f"an error {words!r}")
    return find(pbx)


def stored(pbx: Pbx) -> list[CallEvent]:
    """Return the PBX's events, in the order in which they were stored."""
    db.session.rollback()
    return list(db.session.query(CallEvent).filter_by(pbx_id=pbx.id).order_by(CallEvent.id).all())


def told(pbx: Pbx) -> list[str]:
    """Return what was stored, in words."""
    return [f"{one.extension} {one.event_type.slug} {one.peer}" for one in stored(pbx)]
