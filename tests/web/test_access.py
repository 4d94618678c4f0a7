"""Every route, for every role, on what is the user's own and on what is not."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.routing import Rule

from callevents.db.models import Hook
from callevents.enums import EventType
from callevents.extensions import db
from tests.web.conftest import Visitor
from tests.web.route_access import (
    ALL,
    FOREIGN,
    MAY,
    NEEDS,
    OK,
    OTHER,
    OWN,
    PLACES,
    PUBLIC,
    REFUSED,
    ROUTES,
    UNKNOWN,
)
from tests.web.sites import Site, site

__all__ = ["site"]


@dataclass(frozen=True)
class Request:
    """A request to a route at a place, and what it needs."""

    method: str
    endpoint: str
    place: str
    url: str
    need: str


def _requests(app: Flask, site: Site) -> Iterator[Request]:
    for rule in app.url_map.iter_rules():
        if rule.endpoint in PUBLIC:
            continue
        for place in _places(rule):
            url = _url(app, rule, site.values[place])
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                need = _need(rule.endpoint, method, rule.arguments)
                yield Request(method, rule.endpoint, place, url, need)


def _places(rule: Rule) -> tuple[str, ...]:
    if "extension_id" in rule.arguments:
        return OWN, OTHER, FOREIGN
    if rule.arguments & {"place", "delivery_id", "event_id"} or rule.endpoint == "calls.show":
        return PLACES
    return (ALL, FOREIGN) if "slug" in rule.arguments else (ALL,)


def _url(app: Flask, rule: Rule, known: dict[str, str]) -> str:
    if rule.endpoint == "redirects.redirect_moved":
        return rule.rule.replace("<slug>", known["slug"])
    event_id = known["event" if rule.endpoint == "test_event.show" else "hook"]
    values: dict[str, object] = {**known, "event_id": event_id, "session_id": known["event"]}
    values["passkey_id"] = known["event"]
    values["removal_id"] = values["change_id"] = known["event"]
    values["username"] = "viewer-here"
    if rule.endpoint.startswith("api_tokens."):
        values["token_id"] = known["api_token_id"]
    values["event_type"] = EventType.from_slug(known["event_type"])
    if rule.endpoint == "calls.show":
        values["id"] = known["call"]
    given = {name: values[name] for name in [*rule.arguments, "id"] if name in values}
    method = "GET" if "GET" in (rule.methods or set()) else None
    return app.url_map.bind("localhost").build(rule.endpoint, given, method=method)


def _need(endpoint: str, method: str, names: set[str]) -> str:
    need = ROUTES[endpoint]
    if need == "change":
        return "edit" if method == "POST" else "extension"
    if need == "suspended":
        return "edit" if "place" in names else "edit-part" if "slug" in names else "edit-anything"
    return need


def test_every_route_is_listed(app: Flask) -> None:
    """A new route must say here what it needs."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints == {*ROUTES, *PUBLIC}
    assert all(set(row) == set(NEEDS) for row in MAY.values())


@pytest.mark.parametrize("name", MAY)
def test_every_route(name: str, app: Flask, site: Site) -> None:
    """Each role gets from each route what MAY says; refused requests change nothing.

    Requests that change something are sent only by those who may not.
    """
    visitor = Visitor(app.test_client())
    visitor.sign_in(name)
    visitor.get("/account")
    wrong = []
    for one in _requests(app, site):
        # What the URLs name is somebody else's.
        expected = UNKNOWN if one.need == "own" else MAY[name][one.need][one.place]
        if one.method == "POST" and expected == OK:
            continue
        send = visitor.get if one.method == "GET" else visitor.post
        status = send(one.url).status_code
        got = {403: REFUSED, 404: UNKNOWN}.get(status, OK if status < 400 else str(status))
        if got != expected:
            wrong.append(f"{one.method} {one.endpoint} at {one.place}: {expected}, not {status}")
    assert not wrong, "\n".join(wrong)
    db.session.rollback()
    assert db.session.query(Hook).count() == len(PLACES)


def test_strangers(app: Flask, site: Site) -> None:
    """Without signing in, every route leads to the sign-in page, whatever it names."""
    visitor = Visitor(app.test_client())
    visitor.get("/sign-in")
    for one in _requests(app, site):
        send = visitor.get if one.method == "GET" else visitor.post
        answer = send(one.url)
        assert (one.endpoint, answer.location) == (one.endpoint, "/sign-in")
