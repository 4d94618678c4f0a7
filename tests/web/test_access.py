"""Every route, for every role, on what is the user's own and on what is not."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from callevents.db.models import AuditEntry, CallEvent, Delivery, Extension, Hook, Pbx, new_id
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind, EventType, Method, Role
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import connectors, extensions, pbxs, removal, tokens
from callevents.pbxs.connectors import ConnectorConfig
from callevents.users import users
from callevents.users.grants import NewGrant, set_grants
from tests.web.conftest import PASSWORD, Visitor

#: What a route needs, in words; see MAY.
ROUTES = {
    "account.change_password": "account",
    "account.show": "account",
    "account.show_password": "account",
    "account.sign_out": "account",
    "activity.index": "manage-anything",
    "calls.show": "extension",
    "connect.create_token": "manage",
    "connect.list_events": "pbx",
    "connect.set_format": "manage",
    "connect.show": "pbx",
    "connectors.edit": "manage",
    "connectors.remove": "manage",
    "connectors.request_list": "edit-extensions",
    "connectors.show": "pbx",
    "data_protection.edit": "manage",
    "data_protection.show": "pbx",
    "deliveries.find": "part",
    "deliveries.find_of_all": "anything",
    "deliveries.index": "part",
    "deliveries.index_of_all": "anything",
    "deliveries.show": "extension",
    "delivery_actions.cancel": "edit",
    "delivery_actions.cancel_all": "edit-part",
    "delivery_actions.cancel_all_of_all": "edit-anything",
    "delivery_actions.recover": "edit",
    "delivery_actions.resend": "edit",
    "delivery_actions.resend_all": "edit-part",
    "delivery_actions.resend_all_of_all": "edit-anything",
    "erasure.erase": "manage",
    "extensions.add": "edit-extensions",
    "extensions.delete": "edit-extension",
    "extensions.index": "part",
    "extensions.rename": "edit-extension",
    "hooks.add": "edit",
    "hooks.cancel_held": "edit",
    "hooks.change": "change",
    "hooks.clear": "edit",
    "hooks.index": "extension",
    "hooks.preview": "edit",
    "hooks.set_active": "edit",
    "hooks.test": "edit",
    "onboarding.show": "account",
    "overview.show": "any-pbx",
    "passkeys.begin_adding": "account",
    "passkeys.finish_adding": "account",
    "passkeys.remove": "passkey",
    "passkeys.show_add": "account",
    "pbxs.add": "administer",
    "pbxs.index": "anything",
    "pbxs.rename": "manage",
    "pbxs.show": "pbx",
    "quotas.edit": "administer-pbx",
    "quotas.show": "pbx",
    "recent_reports.show": "pbx",
    "redirects.redirect_moved": "part",
    "removal.confirm": "administer-pbx",
    "removals.undo": "edit-part",
    "second_factor.renew_codes": "account",
    "second_factor.set_up_app": "account",
    "second_factor.show": "account",
    "second_factor.show_app": "account",
    "second_factor.turn_off": "account",
    "sessions.end": "account",
    "sessions.end_others": "account",
    "suggestions.add": "edit-extensions",
    "suggestions.dismiss": "edit-extensions",
    "suspension.resume": "suspended",
    "test_event.send": "edit-part",
    "test_event.show": "edit",
    "tokens.make": "manage",
    "tokens.revoke": "manage",
    "users.disable": "administer",
    "users.edit": "administer",
    "users.enable": "administer",
    "users.end_sessions": "administer",
    "users.index": "administer",
    "users.invite": "administer",
    "users.remove": "administer",
    "users.reset_password": "administer",
    "users.show": "administer",
}
#: Without signing in.
PUBLIC = {
    "account.choose_theme",
    "account.do_sign_in",
    "account.show_sign_in",
    "health.healthz",
    "health.readyz",
    "ingest.receive",
    "metrics.show",
    "sign_in_code.enter",
    "sign_in_code.show",
    "sign_in_passkey.begin",
    "sign_in_passkey.finish",
    "single_sign_on.begin",
    "single_sign_on.finish",
    "static",
    "welcome.show",
    "welcome.use",
}

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
#: The places that a route is tried at: extension 101 of the first PBX, its extension 102, all its
#: extensions, and an extension of another PBX. A route of a PBX has only the third and the last.
OWN, OTHER, ALL, FOREIGN = "own", "other", "all", "foreign"
PLACES = (OWN, OTHER, ALL, FOREIGN)


def _each(own: str, other: str, all_: str, foreign: str = UNKNOWN) -> dict[str, str]:
    return {OWN: own, OTHER: other, ALL: all_, FOREIGN: foreign}


NOTHING = _each(UNKNOWN, UNKNOWN, UNKNOWN)
EVERYWHERE = _each(OK, OK, OK, OK)
HERE = _each(OK, OK, OK)
SEEN = _each(REFUSED, REFUSED, REFUSED)
SEEN_EVERYWHERE = _each(REFUSED, REFUSED, REFUSED, REFUSED)
OWN_ONLY = _each(OK, UNKNOWN, UNKNOWN)

NEEDS = (
    "account",
    "anything",
    "any-pbx",
    "part",
    "pbx",
    "extension",
    "edit",
    "edit-part",
    "edit-anything",
    "edit-extension",
    "edit-extensions",
    "manage",
    "administer",
    "administer-pbx",
    "manage-anything",
)

#: What each user gets, by what a route needs.
MAY: dict[str, dict[str, dict[str, str]]] = {
    "admin": dict.fromkeys(NEEDS, EVERYWHERE),
    "viewer": {
        **dict.fromkeys(("account", "anything", "any-pbx", "part", "pbx", "extension"), EVERYWHERE),
        **dict.fromkeys(NEEDS[6:], SEEN_EVERYWHERE),
    },
    "admin-here": {
        **dict.fromkeys(("account", "anything", "any-pbx", "edit-anything"), EVERYWHERE),
        "manage-anything": EVERYWHERE,
        **dict.fromkeys(("part", "pbx", "extension", "edit", "edit-part", "edit-extension"), HERE),
        **dict.fromkeys(("edit-extensions", "manage"), HERE),
        "administer": SEEN_EVERYWHERE,
        "administer-pbx": SEEN,
    },
    "operator-here": {
        **dict.fromkeys(("account", "anything", "any-pbx", "edit-anything"), EVERYWHERE),
        **dict.fromkeys(("part", "pbx", "extension", "edit", "edit-part", "edit-extension"), HERE),
        **dict.fromkeys(("edit-extensions",), HERE),
        **dict.fromkeys(("manage", "administer-pbx"), SEEN),
        **dict.fromkeys(("administer", "manage-anything"), SEEN_EVERYWHERE),
    },
    "viewer-here": {
        **dict.fromkeys(("account", "anything", "any-pbx"), EVERYWHERE),
        **dict.fromkeys(("part", "pbx", "extension"), HERE),
        **dict.fromkeys(("edit", "edit-part", "edit-extension", "edit-extensions"), SEEN),
        **dict.fromkeys(("manage", "administer-pbx"), SEEN),
        **dict.fromkeys(("edit-anything", "administer", "manage-anything"), SEEN_EVERYWHERE),
    },
    "owner": {
        **dict.fromkeys(("account", "anything", "edit-anything"), EVERYWHERE),
        **dict.fromkeys(("any-pbx", "manage-anything"), SEEN_EVERYWHERE),
        "part": HERE,
        "edit-part": HERE,
        "extension": OWN_ONLY,
        "edit": OWN_ONLY,
        "edit-extension": _each(REFUSED, UNKNOWN, UNKNOWN),
        **dict.fromkeys(("pbx", "edit-extensions", "manage", "administer-pbx"), NOTHING),
        "administer": SEEN_EVERYWHERE,
    },
    "nobody": {
        "account": EVERYWHERE,
        **dict.fromkeys(("anything", "any-pbx", "edit-anything", "administer"), SEEN_EVERYWHERE),
        "manage-anything": SEEN_EVERYWHERE,
        **dict.fromkeys(("part", "pbx", "extension", "edit", "edit-part"), NOTHING),
        **dict.fromkeys(("edit-extension", "edit-extensions", "manage"), NOTHING),
        "administer-pbx": NOTHING,
    },
}


CONNECTOR = ConnectorConfig(
    kind=ConnectorKind.ASTERISK, host="pbx", port=5038, username="events", secret="s"
)


@dataclass(frozen=True)
class Site:
    """Two PBXs with a request, an event and a delivery at each place."""

    values: dict[str, dict[str, str]]


@pytest.fixture
def site(app: Flask) -> Site:
    """Two PBXs, and a user for each row of MAY."""
    begin_write()
    here, elsewhere = pbxs.add_pbx("Here")[0], pbxs.add_pbx("Elsewhere")[0]
    own = extensions.add_extension(here, "101")
    other = extensions.add_extension(here, "102")
    foreign = extensions.add_extension(elsewhere, "101")
    values = {
        OWN: _fill(here, own),
        OTHER: _fill(here, other),
        ALL: _fill(here, None),
        FOREIGN: _fill(elsewhere, foreign),
    }
    for pbx in (here, elsewhere):
        connectors.set_connector(pbx, CONNECTOR)
    grants = {
        "admin": NewGrant(Role.ADMIN),
        "viewer": NewGrant(Role.VIEWER),
        "admin-here": NewGrant(Role.ADMIN, here),
        "operator-here": NewGrant(Role.OPERATOR, here),
        "viewer-here": NewGrant(Role.VIEWER, here),
        "owner": NewGrant(Role.SELF_SERVICE, here, own),
    }
    for name in MAY:
        user = users.add_user(name, PASSWORD, Role.VIEWER)
        user.grants = []
        if name in grants:
            set_grants(user, [grants[name]])
    db.session.commit()
    return Site(values)


def _fill(pbx: Pbx, extension: Extension | None) -> dict[str, str]:
    """Add a request with a delivery; return the values of routes."""
    data = HookData(url="https://crm.example.com/", method=Method.GET, active=True, note="")
    event_type = EventType.DIAL_IN if extension else EventType.HANGUP
    hook = hooks.create_hook(pbx, extension, event_type, data)
    number = extension.number if extension else "999"
    [accepted] = accept(pbx, [Report(event_type=event_type, extension=number, call_id=number)])
    delivery = db.session.query(Delivery).filter_by(hook_id=hook.id).one()
    return {
        "slug": pbx.slug,
        "place": extension.id if extension else "all",
        "extension_id": extension.id if extension else "",
        "hook": hook.event_id,
        "event": accepted.id,
        "delivery_id": delivery.id,
        "token_id": tokens.list_tokens(pbx)[0].id,
        "event_type": event_type.slug,
        "call": number,
    }


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
    values["removal_id"] = known["event"]
    values["username"] = "viewer-here"
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
        # Nobody has a passkey here.
        expected = UNKNOWN if one.need == "passkey" else MAY[name][one.need][one.place]
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


def test_lists_show_what_is_in_the_scope(app: Flask, site: Site) -> None:
    """Lists, counts and searches leave out what a user may not see."""
    owner = Visitor(app.test_client())
    owner.sign_in("owner")
    for path in ("/deliveries", "/pbxs/here/deliveries"):
        text = owner.get(path).text
        assert [site.values[place]["delivery_id"] in text for place in PLACES] == [
            True,
            False,
            False,
            False,
        ]
    found = owner.get("/pbxs/here/extensions").text
    assert ">101<" in found
    assert ">102<" not in found
    assert "All extensions" not in found
    for path in ("/deliveries/find", "/pbxs/here/deliveries/find"):
        for place in PLACES:
            for name in ("delivery_id", "event", "hook"):
                answer = owner.get(f"{path}?q={site.values[place][name]}")
                text = owner.get(answer.location).text
                assert ("matches" in text) is (place != OWN), (path, place, name)
    operator = Visitor(app.test_client())
    operator.sign_in("operator-here")
    assert "Elsewhere" not in operator.get("/pbxs").text
    assert site.values[FOREIGN]["delivery_id"] not in operator.get("/deliveries").text
    assert db.session.query(CallEvent).count() == len(PLACES)


def test_actions_on_all_that_match(app: Flask, site: Site) -> None:
    """Only deliveries in the scope are cancelled, and each PBX has an entry in its history."""
    for name, cancelled in (("owner", 1), ("operator-here", 2), ("admin", 1)):
        visitor = Visitor(app.test_client())
        visitor.sign_in(name)
        visitor.get("/account")
        assert visitor.post("/deliveries/cancel").status_code == 303
        db.session.rollback()
        found = db.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.actor_name == name, AuditEntry.action == "delivery.cancelled")
            .order_by(AuditEntry.id)
        ).all()
        assert [entry.after["count"] for entry in found] == [cancelled]
        assert found[0].pbx_id == (2 if name == "admin" else 1)


def test_what_is_for_the_whole_pbx(app: Flask, site: Site) -> None:
    """An owner finds no delivery of a request for all extensions, not even by the event."""
    begin_write()
    here = pbxs.get_pbx("here")
    data = HookData(url="https://internal.example.com/", method=Method.GET, active=True, note="")
    hooks.create_hook(here, None, EventType.DIAL_IN, data)
    [accepted] = accept(here, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()
    assert db.session.query(Delivery).filter_by(call_event_id=accepted.id).count() == 2
    owner = Visitor(app.test_client())
    owner.sign_in("owner")
    page = owner.get(f"/pbxs/here/test-event/{accepted.id}").text
    assert "crm.example.com" in page
    assert "internal.example.com" not in page
    found = owner.get(owner.get(f"/deliveries/find?q={accepted.id}").location).text
    assert "crm.example.com" in found
    assert "internal.example.com" not in found


def test_pbx_that_is_being_removed(app: Flask, site: Site) -> None:
    """Those who could see it learn that; others learn nothing, and no page fails."""
    begin_write()
    removal.begin_removal(pbxs.get_pbx("here"), "here")
    db.session.commit()
    for name, is_told in (("viewer-here", True), ("owner", True), ("nobody", False)):
        visitor = Visitor(app.test_client())
        visitor.sign_in(name)
        answer = visitor.get("/pbxs/here/extensions")
        assert answer.status_code == 404
        assert ("is being removed" in answer.text) is is_told
        assert visitor.get("/overview").status_code in {403, 404}
    begin_write()
    users.add_user("stranger", PASSWORD, NewGrant(Role.VIEWER, pbxs.get_pbx("elsewhere")))
    db.session.commit()
    stranger = Visitor(app.test_client())
    stranger.sign_in("stranger")
    assert "Here" not in stranger.get("/pbxs").text
    assert "There is no PBX" in stranger.get("/pbxs/here").text


def test_nobody_learns_that_something_exists(app: Flask, site: Site) -> None:
    """What is another's and what does not exist get the same page."""
    owner = Visitor(app.test_client())
    owner.sign_in("owner")
    own, foreign = site.values[OWN], {**site.values[FOREIGN], "slug": "here"}
    unknown = {name: new_id() for name in ("delivery_id", "place", "extension_id", "hook", "event")}
    paths = {
        "/pbxs/here/deliveries/{delivery_id}": "There is no such delivery.",
        "/pbxs/here/requests/{hook}/recover": "There is no request with the Event ID",
        "/pbxs/here/extensions/{place}": "Here has no such extension.",
        "/pbxs/here/extensions/{place}/requests/{hook}": "Here has no such extension.",
        f"/pbxs/here/extensions/{own['place']}/requests/{{hook}}": "There is no request with",
    }
    for path, sentence in paths.items():
        pages = set()
        for values in (site.values[OTHER], site.values[ALL], foreign, unknown):
            answer = owner.get(path.format(**values))
            text = html.unescape(answer.text)
            assert (answer.status_code, sentence in text) == (404, True), (path, values)
            # The sentence and the sign-out form name nothing but what was asked for.
            for name in values.values():
                text = text.replace(name, "") if len(name) > 5 else text
            pages.add(re.sub(r'name="csrf_token"[^>]*', "", text))
        assert len(pages) == 1, path


def test_list_of_pbxs_shows_what_is_in_the_scope(app: Flask, site: Site) -> None:
    """Self-service users see the number of their extensions, and no last event of the PBX."""
    rows = {}
    for name in ("viewer-here", "owner"):
        visitor = Visitor(app.test_client())
        visitor.sign_in(name)
        [rows[name]] = re.findall(r'<tr id="pbx-here">(.*?)</tr>', visitor.get("/pbxs").text, re.S)
        [link] = re.findall(r'href="([^"]*)">Here<', rows[name])
        assert visitor.get(link).status_code == 200
    counts = {name: re.findall(r">(\d+)<span", row) for name, row in rows.items()}
    assert counts == {"viewer-here": ["2"], "owner": ["1"]}
    assert ["<time" in row for row in rows.values()] == [True, False]
    assert "not visible to you" in rows["owner"]
