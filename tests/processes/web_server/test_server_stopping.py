"""A web server that stops during reports has stored everything that it acknowledged."""

import threading

import pytest
import requests
from flask import Flask
from sqlalchemy import select

from callevents.config.settings import Settings
from callevents.db.models import CallEvent
from callevents.extensions import db
from tests.conftest import RunPython
from tests.support.programs import ROOT, find_free_port
from tests.support.waiting import wait_until

REPORTERS = 8


class Reporters:
    """Threads that report until the server no longer responds."""

    def __init__(self, url: str, token: str) -> None:
        self.ids: list[str] = []
        self.statuses: set[int] = set()
        self._url = url
        self._headers = {"X-Ingest-Token": token}
        self._threads = [threading.Thread(target=self._report) for _ in range(REPORTERS)]

    def __enter__(self) -> "Reporters":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for thread in self._threads:
            thread.join()

    def _report(self) -> None:
        with requests.Session() as session:
            session.headers.update(self._headers)
            while True:
                try:
                    answer = session.post(self._url, json={"event": 0, "ext": "1"}, timeout=30)
                except requests.RequestException:
                    return
                self.statuses.add(answer.status_code)
                self.ids.append(answer.json().get("id", ""))


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The settings of a web server on the same database, with two processes if it may."""
    return {
        "database_url": settings.database_url,
        "redis_url": settings.redis_url,
        "data_dir": str(settings.data_dir),
        "secret_key": settings.secret_key,
        "web_processes": "2",
        "log_format": "json",
    }


def test_all_that_was_acknowledged_is_stored(
    app: Flask, token: str, environment: dict[str, str], run_python: RunPython
) -> None:
    """At SIGTERM every request in flight is stored and answered, none with an error."""
    port = find_free_port()
    command = ("-m", "flask", "--app", str(ROOT / "app.py"), "web")
    program = run_python(*command, port=str(port), **environment)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{address}/healthz", timeout=5).ok
        except requests.RequestException:
            return False

    wait_until(answers, "the web server's first answer")
    with Reporters(f"{address}/ingest/head-office", token) as reporters:
        wait_until(lambda: len(reporters.ids) > 10 * REPORTERS, "events under way")
        program.process.terminate()
        assert program.wait() == 0
    assert reporters.statuses == {202}
    db.session.rollback()
    stored = set(db.session.scalars(select(CallEvent.id)))
    assert set(reporters.ids) <= stored
    assert "Traceback" not in program.output
