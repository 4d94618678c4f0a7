"""GET /healthz and /readyz: does the process live, and can it work?"""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from callevents import create_app
from callevents.api import health
from callevents.config import Settings
from callevents.extensions import db

ClientWith = Callable[..., FlaskClient]


@pytest.fixture
def client_with(settings: Settings) -> Iterator[ClientWith]:
    """Makes a client of an application with these settings changed."""
    made: list[Flask] = []

    def make(**changes: object) -> FlaskClient:
        made.append(create_app(settings.model_copy(update=changes)))
        return made[-1].test_client()

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


def test_healthz_asks_nobody(client_with: ClientWith) -> None:
    """The process lives, even if neither database nor Redis does."""
    client = client_with(
        database_url="postgresql://127.0.0.1:1/none", redis_url="redis://127.0.0.1:1"
    )
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.cache_control.no_store


def test_ready(client: FlaskClient) -> None:
    """With database and Redis there, it is ready."""
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {"status": "ok", "database": "ok", "redis": "ok"}
    assert answer.cache_control.no_store


def test_redis_is_away(client_with: ClientWith) -> None:
    """Redis is named if it is the one that fails, and the password is not told."""
    answer = client_with(redis_url="redis://:geheim@127.0.0.1:1/0").get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "database": "ok", "redis": "does not answer"}


def test_database_is_away(client_with: ClientWith) -> None:
    """The database is named if it is the one that fails."""
    answer = client_with(database_url="postgresql://u:p@127.0.0.1:1/none").get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "database": "does not answer", "redis": "ok"}


def test_database_of_another_version(app: Flask, client: FlaskClient) -> None:
    """Tables of another version are not ready, for the program could not use them."""
    applied = db.session.scalars(text("SELECT version_num FROM alembic_version")).all()
    db.session.rollback()
    _set_version("of another version")
    try:
        answer = client.get("/readyz")
    finally:
        _set_version(*applied)
    assert answer.status_code == 503
    assert answer.json["database"] == "is not set up for this version"


def test_parts_that_hang(client_with: ClientWith, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that take the question and never answer cannot keep the answer for long."""
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        client = client_with(
            database_url=f"postgresql://{address}/none", redis_url=f"redis://{address}"
        )
        began = time.monotonic()
        answer = client.get("/readyz")
        assert time.monotonic() - began < 1
    assert answer.json == {
        "status": "unavailable",
        "database": "does not answer",
        "redis": "does not answer",
    }


def _set_version(*versions: str) -> None:
    with db.engine.connect() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        for version in versions:
            connection.execute(
                text("INSERT INTO alembic_version VALUES (:version)"), {"version": version}
            )
        connection.commit()
