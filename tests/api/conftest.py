"""Fixtures and checks for tests of the API routes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from callevents import create_app
from callevents.api.fast_path import FastPath
from callevents.config.settings import Settings
from callevents.db.models import CallEvent, Delivery, SeenExtension
from callevents.extensions import app_state, db
from tests.conftest import let_go
from tests.support.served import Served

Send = Callable[..., TestResponse]
EVENT = {"event": "dial-in", "ext": "101"}


@pytest.fixture
def send(client: FlaskClient, token: str) -> Send:
    """Posts to the PBX's ingest URL, by default with its token as Bearer."""

    def send(**options: Any) -> TestResponse:
        options.setdefault("headers", {"Authorization": f"Bearer {token}"})
        return client.post("/ingest/head-office", **options)

    return send


@pytest.fixture
def slow(settings: Settings, token: str) -> Iterator[Served]:
    """An application on the same database that has no fast path."""
    app = create_app(settings.model_copy(update={"log_level": "DEBUG"}))
    assert app_state(app).find(FastPath) is None
    served = Served(app, token)
    yield served
    served.close()
    let_go(app)


def stored() -> list[CallEvent]:
    """Return the stored events, oldest first."""
    db.session.rollback()
    return list(db.session.scalars(select(CallEvent).order_by(CallEvent.id)))


def is_empty() -> bool:
    """Return True if nothing is stored of any event."""
    db.session.rollback()
    return not any(
        db.session.scalar(select(func.count()).select_from(model))
        for model in (CallEvent, Delivery, SeenExtension)
    )


def check_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """Check that the response is a problem document with this status; return it."""
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    document: dict[str, Any] = answer.get_json()
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"].endswith((".", "!"))
    return document
