"""Links are as seen from outside, also behind a proxy that ends TLS."""

from collections.abc import Iterator

import pytest
from flask import Flask

from callevents import create_app
from callevents.config.settings import Settings
from callevents.extensions import app_state
from tests.api.uapi.conftest import EVENTS, Api, path_of, succeeded
from tests.conftest import let_go

FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "calls.example.com",
    "X-Forwarded-For": "192.0.2.7",
}


@pytest.fixture
def proxied(settings: Settings, api: Api) -> Iterator[Flask]:
    """An application on the same database behind a proxy."""
    app = create_app(settings.model_copy(update={"trusted_proxies": 1}))
    app.testing = True
    yield app
    let_go(app)


def links(api: Api, **headers: str) -> list[str]:
    """Return the origins of all links."""
    for _ in range(3):
        created = api.create()
    headers["Authorization"] = f"Bearer {api.token}"
    answer = succeeded(
        api.send("GET", "/", query_string={"count": 1, "startIndex": 1}, headers=headers)
    )
    [event] = answer["entry"]
    paging = answer["paging"]
    found = [event["links"]["self"], paging["next"], paging["prev"]]
    assert path_of(created)[:2] == "/0"
    assert all(EVENTS in link for link in found)
    return [link.partition(EVENTS)[0] for link in found]


def test_behind_a_proxy(proxied: Flask, api: Api) -> None:
    """Behind a trusted proxy that ends TLS, links are https and have the outer host."""
    api.client = proxied.test_client()
    assert links(api, **FORWARDED) == ["https://calls.example.com"] * 3


def test_without_a_proxy(api: Api) -> None:
    """A stranger's headers are not believed; the host of the request is used as it is."""
    assert links(api, **FORWARDED) == ["http://localhost"] * 3
    assert links(api, Host="calls.example.com:8000") == ["http://calls.example.com:8000"] * 3
    for host in ("a b", "a/b", "a@b"):
        assert links(api, Host=host) == ["http://localhost:80"] * 3


def test_public_url(app: Flask, api: Api, settings: Settings) -> None:
    """With CALLEVENTS_PUBLIC_URL, links have that."""
    url = "https://calls.example.com/events"
    app_state(app).settings = settings.model_copy(update={"public_url": url})
    assert links(api) == [url] * 3
