"""A change and its entry are stored together, or neither, even if the process is killed."""

import re
import threading
from contextlib import suppress
from itertools import cycle

import pytest
import requests
from flask import Flask
from sqlalchemy import select

from callevents.audit import Action
from callevents.config.settings import Settings
from callevents.db.models import Hook
from callevents.enums import EventType
from callevents.extensions import db
from tests.audit.conftest import actions
from tests.conftest import Configure, RunPython
from tests.support.programs import DEADLINE_SECONDS, ROOT, Program, find_free_port
from tests.support.waiting import wait_until
from tests.web.conftest import PASSWORD

PAGE = "/pbxs/head-office/extensions/all"
#: Clicks before the web server is killed.
CLICKS = 60
#: Disables a hook in a transaction, and never commits.
HALF_DONE = """
from callevents import create_app
from callevents.db.models import Hook
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.hooks import hooks

with create_app().app_context():
    begin_write()
    hooks.set_active(db.session.query(Hook).one(), False)
    db.session.flush()
    print("changed", flush=True)
    import threading
    threading.Event().wait()
"""


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The settings of a process on the same database."""
    return {
        "database_url": settings.database_url,
        "redis_url": settings.redis_url,
        "data_dir": str(settings.data_dir),
        "secret_key": settings.secret_key,
        "log_format": "json",
    }


def kill(program: Program) -> None:
    """Kill the process and its children at once."""
    for process in program.family():
        process.kill()
    program.process.kill()
    program.wait()


def check_history(hook: Hook) -> int:
    """Check that the hook is as its last entry says; return the number of changes."""
    done = actions(object_id=hook.event_id)
    assert done[0] == Action.HOOK_CREATED
    expected = [Action.HOOK_DISABLED, Action.HOOK_ENABLED] * len(done)
    assert done[1:] == expected[: len(done) - 1]
    assert hook.active is (done[-1] != Action.HOOK_DISABLED)
    return len(done) - 1


def test_killed_before_the_commit(
    configure: Configure, environment: dict[str, str], run_python: RunPython
) -> None:
    """Neither the change nor the entry is stored."""
    hook_id = configure.hook("*", EventType.DIAL_IN, "http://a/").id
    program = run_python("-c", HALF_DONE, cwd=ROOT, **environment)
    program.wait_for_line("changed")
    kill(program)
    db.session.rollback()
    assert check_history(db.session.get_one(Hook, hook_id)) == 0


def read_token(browser: requests.Session, url: str) -> str:
    """Return the CSRF token of a page."""
    page = browser.get(url, timeout=DEADLINE_SECONDS).text
    found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def sign_in(address: str) -> tuple[requests.Session, str]:
    """Return the browser of an admin who has signed in, and its CSRF token."""
    browser = requests.Session()
    token = read_token(browser, f"{address}/sign-in")
    fields = {"csrf_token": token, "username": "admin", "password": PASSWORD}
    browser.post(f"{address}/sign-in", fields, timeout=DEADLINE_SECONDS)
    return browser, read_token(browser, f"{address}/account")


class Clicker(threading.Thread):
    """Disables and enables a request until the server no longer answers."""

    def __init__(self, page: str, event_id: str, signed_in: tuple[requests.Session, str]) -> None:
        super().__init__()
        self.done = 0
        self._url = f"{page}/requests/{event_id}/active"
        browser, self._token = signed_in
        self._cookies = dict(browser.cookies)

    def run(self) -> None:
        """Click."""
        with requests.Session() as browser, suppress(requests.RequestException):
            browser.cookies.update(self._cookies)
            for wanted in cycle(("no", "yes")):
                fields = {"csrf_token": self._token, "active": wanted}
                answer = browser.post(
                    self._url, fields, timeout=DEADLINE_SECONDS, allow_redirects=False
                )
                assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
                self.done += 1


def test_killed_while_users_click(
    app: Flask,
    people: None,
    configure: Configure,
    environment: dict[str, str],
    run_python: RunPython,
) -> None:
    """After kill -9 each request is as its last entry says, and all that was answered is there."""
    events = [*EventType, EventType.HANGUP]
    hooks = [configure.hook("*", event, "http://127.0.0.1:9/") for event in events]
    port = find_free_port()
    command = ("-m", "flask", "--app", str(ROOT / "app.py"), "web")
    program = run_python(*command, port=str(port), **environment)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{address}/healthz", timeout=DEADLINE_SECONDS).ok
        except requests.ConnectionError:
            return False

    wait_until(answers, "the web server's first answer", DEADLINE_SECONDS)
    signed_in = sign_in(address)
    clickers = [Clicker(address + PAGE, hook.event_id, signed_in) for hook in hooks]
    for clicker in clickers:
        clicker.start()

    def count() -> int:
        return sum(clicker.done for clicker in clickers)

    wait_until(lambda: count() > CLICKS, "clicks under way", DEADLINE_SECONDS)
    kill(program)
    for clicker in clickers:
        clicker.join()
    signed_in[0].close()
    db.session.rollback()
    changes = sum(map(check_history, db.session.scalars(select(Hook)).all()))
    # Of each clicker, one more may have been stored and not answered.
    assert count() <= changes <= count() + len(clickers)
