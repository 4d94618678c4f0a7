"""The log: formats, request lines, and protection against forged lines."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from flask import Flask

from callevents import create_app, logs
from callevents.config.settings import Settings
from callevents.extensions import db
from tests.support.log_capture import Logged, capture_log

FORGED = "/healthz%0A2026-03-01%20forged%1B%5B31m%0D%E2%80%A8x"


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[type[None]]:
    """Creates applications with these settings."""
    made: list[Flask] = []

    def make(**settings: str) -> Flask:
        made.append(create_app(Settings(data_dir=tmp_path, **settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make  # type: ignore[misc]
    for app in made:
        with app.app_context():
            db.engine.dispose()
    logs.configure(Settings(data_dir=tmp_path))


def lines_of(logged: Logged) -> list[dict[str, object]]:
    """Return the parsed JSON lines."""
    return [json.loads(line) for line in logged.lines]


def test_line_of_a_request(make_app: type[Flask]) -> None:
    """JSON has method, path without the query, status, time, address and request ID."""
    client = make_app(log_format="json").test_client()
    with capture_log(logging.INFO) as logged:
        answer = client.get("/healthz?token=secret", headers={"X-Request-ID": "abc-1.2_3"})
    [line] = lines_of(logged)
    assert line.pop("milliseconds") >= 0  # type: ignore[operator]
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "request",
        "method": "GET",
        "path": "/healthz",
        "status": 200,
        "address": "127.0.0.1",
        "request_id": "abc-1.2_3",
        "level": "info",
        "logger": "callevents",
    }
    assert answer.headers["X-Request-ID"] == "abc-1.2_3"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\u00e9", "../../x", '"'])
def test_invalid_request_ids_are_replaced(make_app: type[Flask], given: str) -> None:
    """A request ID with special characters is replaced by a new one."""
    client = make_app(log_format="json").test_client()
    answers = [client.get("/healthz", headers={"X-Request-ID": given}) for _ in range(2)]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert ids[0] != ids[1]
    assert all(len(one) == 32 and one.isalnum() for one in ids)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_line_can_be_forged(make_app: type[Flask], log_format: str) -> None:
    """A request is one line without its control characters, regardless of its URL."""
    client = make_app(log_format=log_format).test_client()
    with capture_log(logging.INFO) as logged:
        client.get(FORGED)
    [line] = logged.text.rstrip("\n").split("\n")
    assert "forged" in line
    assert "\x1b[31m" not in line
    assert "\r" not in line


def test_level(make_app: type[Flask]) -> None:
    """Lines below the level are not logged; verbose libraries log warnings at most."""
    make_app(log_level="WARNING")
    assert logging.getLogger().level == logging.WARNING
    make_app(log_level="DEBUG")
    assert logging.getLogger().level == logging.DEBUG
    for name in ("rq.worker", "alembic", "werkzeug"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


def test_errors_have_their_traceback(make_app: type[Flask]) -> None:
    """The traceback of a logged exception is in the same JSON line."""
    make_app(log_format="json")
    with capture_log() as logged:
        try:
            raise ValueError("odd")
        except ValueError:
            structlog.get_logger("callevents").exception("it failed")
    [line] = lines_of(logged)
    assert line["event"] == "it failed"
    assert "ValueError: odd" in str(line["exception"])


def test_libraries_use_the_same_format(make_app: type[Flask]) -> None:
    """Lines of libraries are JSON too."""
    make_app(log_format="json")
    with capture_log() as logged:
        logging.getLogger("some.library").warning("take %s", "care")
    [line] = lines_of(logged)
    assert (line["event"], line["logger"], line["level"]) == (
        *("take care", "some.library", "warning"),
    )


def test_requests_do_not_mix(make_app: type[Flask]) -> None:
    """Values bound to one request are not in the lines of the next one."""
    client = make_app(log_format="json").test_client()
    with capture_log(logging.INFO) as logged:
        structlog.contextvars.bind_contextvars(left="over")
        client.get("/healthz", headers={"X-Request-ID": "one"})
        client.get("/healthz", headers={"X-Request-ID": "two"})
    lines = lines_of(logged)
    assert [line["request_id"] for line in lines] == ["one", "two"]
    assert not any("left" in line for line in lines)
