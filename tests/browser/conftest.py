"""A real Chromium, the application on a socket, and signed-in users."""

import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from http.cookiejar import CookieJar
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users
from tests.support.databases import SqliteDatabases

PASSWORD = "long enough for a test"
#: Generous, because the machine may be busy with other tests.
expect.set_options(timeout=20_000)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 390, "height": 844}
#: Disables background traffic of Chromium; there is no network here.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def databases(sqlite: SqliteDatabases) -> SqliteDatabases:
    """SQLite only: how pages look and behave in a browser does not depend on the database."""
    return sqlite


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """How to start the system's Chromium."""
    return {"executable_path": shutil.which("chromium"), "args": list(QUIET), "headless": True}


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection.

    Werkzeug's server does not close a response if the browser resets the connection, so that
    files stay open.
    """


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, *_: Any) -> None:
        """Do nothing."""


@pytest.fixture
def site(app: Flask) -> Iterator[str]:
    """The URL of the application on a socket."""
    server = make_server("127.0.0.1", 0, app, Server, QuietHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def people(app: Flask) -> None:
    """An admin and a viewer, with the same password."""
    begin_write()
    users.add_user("admin", PASSWORD, Role.ADMIN)
    users.add_user("viewer", PASSWORD, Role.VIEWER)
    db.session.commit()


class People:
    """Opens browser sessions of signed-in users."""

    def __init__(self, browser: Browser, site: str) -> None:
        self._browser = browser
        self._site = site
        self._contexts: list[BrowserContext] = []

    def visit(self, **options: Any) -> Page:
        """Return a page of a new browser session, not signed in."""
        options = {"viewport": WIDE, "base_url": self._site} | options
        context = self._browser.new_context(**options)
        context.set_default_timeout(30_000)
        self._contexts.append(context)
        return context.new_page()

    def open(self, username: str = "admin", **options: Any) -> Page:
        """Return a page of a new browser session, signed in, at the first page.

        Signing in by the form would take a tenth of the time of all tests in a browser. Tests of
        signing in do.
        """
        page = self.visit(**options)
        cookies = self._sign_in(username)
        url = options.get("base_url", self._site)
        page.context.add_cookies(
            [{"name": one.name, "value": one.value or "", "url": url} for one in cookies]
        )
        page.goto("/")
        return page

    def _sign_in(self, username: str) -> CookieJar:
        """Return the cookies of a user who has signed in."""
        with requests.Session() as session:
            form = session.get(f"{self._site}/sign-in").text
            [token] = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', form)[:1]
            given = {"csrf_token": token, "username": username, "password": PASSWORD}
            answer = session.post(f"{self._site}/sign-in", given, allow_redirects=False)
            assert answer.status_code == 303
            return session.cookies

    def close(self) -> None:
        """Close all sessions."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def sign_in(browser: Browser, site: str, people: None) -> Iterator[People]:
    """A factory of pages for an admin or a viewer."""
    opened = People(browser, site)
    yield opened
    opened.close()


@pytest.fixture
def admin(sign_in: People) -> Page:
    """The browser of an admin, 1280 px wide."""
    return sign_in.open("admin")


@pytest.fixture
def plain(sign_in: People) -> Page:
    """The browser of an admin, without JavaScript."""
    return sign_in.open("admin", java_script_enabled=False)


@pytest.fixture
def working(engine: Engine) -> Engine:
    """A running worker."""
    engine.start()
    return engine


#: The rules of axe that look at colours.
COLOUR_RULES = ("color-contrast", "link-in-text-block")


def check_accessibility(page: Page, *, rules: Sequence[str] = ()) -> None:
    """Fail with axe's report if it finds anything; by default by all of its rules."""
    # Describing passed rules would take most of the time.
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = Axe().run(page, options=options)
    assert not found.response["violations"], found.generate_report()


def scrolls_sideways(page: Page) -> bool:
    """Return True if the page is wider than the window."""
    wider: bool = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wider
