"""Lines to copy have an address of this server, never one that a request has made up."""

import socket

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.extensions import app_state
from tests.web.conftest import Visitor

PLACES = ("/pbxs/head-office", "/pbxs/head-office/connect?type=other")
PATH = "/ingest/head-office"


class Pages:
    """An admin's browser that was led to the server by any name."""

    def __init__(self, app: Flask, admin: Visitor) -> None:
        self._client = app.test_client(use_cookies=False)
        cookie = admin.client.get_cookie("callevents")
        assert cookie
        self._cookie = f"callevents={cookie.value}"

    def get(self, place: str, host: str, **headers: str) -> str:
        """Return what the page shows."""
        headers |= {"Host": host, "Cookie": self._cookie}
        return self._client.get(place, headers=headers).text.partition("<main")[2]


@pytest.fixture
def pages(app: Flask, admin: Visitor, pbx: Pbx) -> Pages:
    """The pages of a PBX."""
    return Pages(app, admin)


def own_address() -> str:
    """Return an address of this machine other than loopback, or loopback if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only chooses the interface.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        f"{own_address()}:8000",
        f"{socket.gethostname()}:8000",
        f"{socket.gethostname().partition('.')[0]}.local:8000",
    ],
)
def test_own_names_are_filled_in(pages: Pages, host: str) -> None:
    """Names and addresses of this machine are filled in."""
    for place in PLACES:
        shown = pages.get(place, host)
        assert f"http://{host}{PATH}" in shown
        assert "YOUR-SERVER" not in shown


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost:8000", True),
        ("127.0.0.2:8000", True),
        ("[::1]:8000", True),
        (f"{socket.gethostname()}:8000", False),
    ],
)
def test_addresses_of_this_machine_only(pages: Pages, host: str, *, is_local: bool) -> None:
    """An address that only this machine reaches has a hint how to get another one."""
    for place in PLACES:
        shown = pages.get(place, host)
        assert ("Only programs on this machine reach this address." in shown) is is_local


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.77:8000",
        "[2001:db8::77]:8000",
        "0.0.0.0:8000",
        "224.0.0.1",
        "2130706433",
    ],
)
def test_other_names_are_not(pages: Pages, host: str) -> None:
    """Another name is nowhere on the page; there is a placeholder, and how to replace it."""
    for place in PLACES:
        shown = pages.get(place, host)
        assert host.partition(":8000")[0] not in shown
        assert f"http://YOUR-SERVER:8000{PATH}" in shown
        assert "set <code>CALLEVENTS_PUBLIC_URL</code>" in shown


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_setting_comes_first(app: Flask, pages: Pages, settings: Settings, host: str) -> None:
    """With CALLEVENTS_PUBLIC_URL, no request's host is used."""
    app_state(app).settings = settings.model_copy(
        update={"public_url": "https://calls.example/events"}
    )
    for place in PLACES:
        shown = pages.get(place, host)
        assert f"https://calls.example/events{PATH}" in shown
        assert f"//{host}" not in shown


def test_address_that_the_server_listens_on(app: Flask, pages: Pages, settings: Settings) -> None:
    """The name in CALLEVENTS_HOST is ours."""
    app_state(app).settings = settings.model_copy(update={"host": "Calls.internal"})
    for place in PLACES:
        shown = pages.get(place, "calls.internal:8000")
        assert f"http://calls.internal:8000{PATH}" in shown


def test_name_from_a_trusted_proxy(app: Flask, pages: Pages, settings: Settings) -> None:
    """A trusted proxy says what the server is called."""
    app_state(app).settings = settings.model_copy(update={"trusted_proxies": 1})
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1)  # type: ignore[method-assign]
    for place in PLACES:
        shown = pages.get(place, "10.1.1.1", **{"X-Forwarded-Host": "calls.example"})
        assert f"http://calls.example{PATH}" in shown
