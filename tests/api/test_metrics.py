"""Metrics: the overview's statistics, for clients with the token only."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import write_transaction
from callevents.enums import DeliveryState
from callevents.extensions import app_state, db
from callevents.operations.heartbeat import InstanceId, send_heartbeat
from callevents.operations.statistics import refresh
from tests.support.aged_events import AddEvents

TOKEN = "a token for tests"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with metrics."""
    return settings.model_copy(update={"metrics_token": TOKEN})


def samples(text: str) -> Iterator[tuple[str, float]]:
    """Yield each value with its metric name and label."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield " ".join([sample.name, *sample.labels.values()]), sample.value


def test_metrics(client: FlaskClient, add_events: AddEvents) -> None:
    """Prometheus parses the same values as the overview shows."""
    add_events(3)
    add_events(1, state=DeliveryState.FAILED)
    add_events(2, age=timedelta(minutes=5), state=DeliveryState.PENDING)
    add_events(1, age=timedelta(minutes=5), state=DeliveryState.HELD)
    now = utc_now()
    refresh(db.engine, now - timedelta(minutes=10), now, threading.Event())
    with write_transaction(db.engine) as connection:
        send_heartbeat(connection, InstanceId(), now, foreign_jobs=4)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    found = dict(samples(answer.text))
    assert 299 < found.pop("callevents_deliveries_overdue_seconds") < 400
    latencies = [found.pop(f"callevents_latency_seconds {q}") for q in ("0.5", "0.95", "0.99")]
    assert 0.03 <= latencies[0] <= latencies[1] <= latencies[2] <= 0.05
    assert found == {
        "callevents_events_last_hour": 7,
        "callevents_deliveries_open": 2,
        "callevents_deliveries_held": 1,
        "callevents_hooks_suspended": 0,
        "callevents_hooks_failing": 0,
        "callevents_circuit_breakers_open": 0,
        "callevents_workers_alive": 1,
        "callevents_foreign_jobs": 4,
        "callevents_deliveries_last_hour delivered": 3,
        "callevents_deliveries_last_hour failed": 1,
        "callevents_deliveries_last_hour pending": 2,
        "callevents_deliveries_last_hour held": 1,
        "callevents_deliveries_last_hour cancelled": 0,
        "callevents_deliveries_last_hour skipped": 0,
    }


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Bearer \xe4", TOKEN[:-1]])
def test_without_the_token(client: FlaskClient, given: str) -> None:
    """Without the token there are no metrics, and the response is a problem document."""
    answer = client.get("/metrics", headers={"Authorization": given})
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"


def test_off_by_default(app: Flask, client: FlaskClient, settings: Settings) -> None:
    """Without a token in the settings, every request gets a 404."""
    app_state(app).settings = settings.model_copy(update={"metrics_token": ""})
    for given in ("", "Bearer "):
        assert client.get("/metrics", headers={"Authorization": given}).status_code == 404
