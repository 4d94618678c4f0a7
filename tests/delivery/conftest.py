"""Fixtures of the delivery tests: raw servers, HTTP clients, due deliveries."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.config.settings import Settings
from callevents.db.models import Attempt, Delivery, Hook, Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.delivery.http.client import HttpClient
from callevents.delivery.in_flight import STALLED_SECONDS
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.delivery.blocking_receiver import BlockingReceiver
from tests.support.raw_server import RawServer, Talk
from tests.support.receiver import Receiver

Serve = Callable[..., RawServer]
MakeTransport = Callable[..., HttpClient]
MakeEngine = Callable[..., Engine]
ReportEvents = Callable[..., list[str]]
ReportCall = Callable[..., list[str]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts raw servers, which end with the test."""
    servers: list[RawServer] = []

    def serve(talk: Talk, **options: Any) -> RawServer:
        servers.append(RawServer(talk, **options))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def make_transport(tmp_path: Path) -> Iterator[MakeTransport]:
    """Creates HTTP clients with settings; allows loopback by default."""
    transports: list[HttpClient] = []

    def make(**settings: object) -> HttpClient:
        values: dict[str, object] = {
            "data_dir": tmp_path,
            "allowed_networks": "127.0.0.0/8",
            "connect_timeout_seconds": 5,
            "read_timeout_seconds": 10,
            "total_timeout_seconds": 20,
            **settings,
        }
        transports.append(HttpClient(Settings(**values)))  # type: ignore[arg-type]
        return transports[-1]

    yield make
    for http_client in transports:
        http_client.close()


@pytest.fixture
def http_client(make_transport: MakeTransport) -> HttpClient:
    """An HTTP client with long timeouts that may connect to loopback."""
    return make_transport()


@pytest.fixture
def make_engine(app: Flask, settings: Settings) -> Iterator[MakeEngine]:
    """Creates and starts engines, by default with a poll interval longer than the test."""
    engines: list[Engine] = []

    def make(*, stalled_seconds: float = STALLED_SECONDS, **changes: object) -> Engine:
        changed = settings.model_copy(update={"poll_seconds": 3600, **changes})
        engines.append(Engine(db.engine, changed, stalled_seconds=stalled_seconds))
        engines[-1].start()
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def report_events(pbx: Pbx) -> ReportEvents:
    """Accepts events at one extension at once; returns the delivery ids in order."""

    def report(
        count: int = 1, event: EventType = EventType.DIAL_IN, extension: str = "101"
    ) -> list[str]:
        begin_write()
        reports = [
            Report(event_type=event, extension=extension, call_id=new_id(), peer=str(number))
            for number in range(count)
        ]
        accepted = accept(pbx, reports)
        ids = [event.id for event in accepted]
        found = db.session.scalars(
            select(Delivery.id).where(Delivery.call_event_id.in_(ids)).order_by(Delivery.id)
        ).all()
        db.session.commit()
        return list(found)

    return report


@pytest.fixture
def report_call(pbx: Pbx) -> ReportCall:
    """Accepts events of one call at the given seconds; returns the delivery ids as reported."""
    began = utc_now() - timedelta(minutes=1)

    def report(
        call_id: str, *seconds: float, event: EventType = EventType.DIAL_IN, extension: str = "101"
    ) -> list[str]:
        begin_write()
        reports = [
            Report(event_type=event, extension=extension, call_id=call_id, at=moment)
            for moment in (began + timedelta(seconds=one) for one in seconds)
        ]
        ids = [event.id for event in accept(pbx, reports)]
        found = db.session.scalars(
            select(Delivery.id).where(Delivery.call_event_id.in_(ids)).order_by(Delivery.id)
        ).all()
        db.session.commit()
        return list(found)

    return report


def get_delivery(delivery_id: str) -> Delivery:
    """Return the delivery as it is stored now."""
    db.session.rollback()
    delivery = db.session.get(Delivery, delivery_id)
    assert delivery is not None
    return delivery


def list_attempts(delivery_id: str) -> list[Attempt]:
    """Return the delivery's attempts as they are stored now."""
    db.session.rollback()
    return list(
        db.session.scalars(
            select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.number)
        )
    )


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook for dial-in of all extensions, at a receiver that responds at once."""
    return configure.hook("*", EventType.DIAL_IN, receiver.url)


@pytest.fixture
def blocking(serve: Serve) -> Iterator[BlockingReceiver]:
    """A receiver that delays its responses."""
    blocking = BlockingReceiver(serve)
    yield blocking
    blocking.respond()


@pytest.fixture
def held_hook(configure: Configure, blocking: BlockingReceiver) -> Hook:
    """A hook for dial-out of all extensions, at the delaying receiver."""
    return configure.hook("*", EventType.DIAL_OUT, blocking.server.url)
