"""Health checks: liveness and readiness."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callevents import create_app
from callevents.config.settings import Settings
from callevents.extensions import db
from tests.support.database_faults import missing_table
from tests.support.log_capture import Logged, capture_log
from tests.support.programs import find_free_port


def test_liveness(client: FlaskClient) -> None:
    """The process responds, and the response is not cached."""
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


def test_readiness(client: FlaskClient) -> None:
    """With database and Redis, it is ready."""
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok", "database": "ok", "redis": "ok"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_database_of_another_version(app: Flask, client: FlaskClient) -> None:
    """A database without this version's tables is named."""
    db.session.rollback()
    with missing_table(db.engine, "alembic_version"):
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {
        "status": "unavailable",
        "database": "is not set up for this version",
        "redis": "ok",
    }


@pytest.fixture
def no_services(tmp_path: Path) -> Iterator[tuple[FlaskClient, Logged]]:
    """A client of an application without database and Redis, and its log."""
    port = find_free_port()
    app = create_app(
        Settings(
            data_dir=tmp_path,
            database_url=f"postgresql://robot:geheim@127.0.0.1:{port}/calls",
            redis_url=f"redis://:geheim@127.0.0.1:{port}/0",
        )
    )
    with capture_log() as logged:
        yield app.test_client(), logged
    with app.app_context():
        db.engine.dispose()


def test_no_services(no_services: tuple[FlaskClient, Logged]) -> None:
    """Both are named, the process lives, and no password is in the response or the log."""
    client, logged = no_services
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {
        "status": "unavailable",
        "database": "does not answer",
        "redis": "does not answer",
    }
    assert client.get("/healthz").status_code == 200
    assert '"part": "database"' in logged.text
    assert '"part": "redis"' in logged.text
    assert "geheim" not in logged.text + answer.text
