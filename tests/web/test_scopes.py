"""Lists, searches and actions on all are limited to what a user may see."""

import html
import re

from flask import Flask
from sqlalchemy import select

from callevents.db.models import AuditEntry, CallEvent, Delivery, new_id
from callevents.db.session import begin_write
from callevents.enums import EventType, Method, Role
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import groups, pbxs, removal
from callevents.pbxs.extensions import list_extensions
from callevents.pbxs.groups import GroupData
from callevents.users import users
from callevents.users.grants import NewGrant
from tests.web.conftest import PASSWORD, Visitor
from tests.web.route_access import ALL, FOREIGN, OTHER, OWN, PLACES
from tests.web.sites import Site, site

__all__ = ["site"]


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
            pages.add(re.sub(r'name="csrf_token"[^>]*|"X-CSRFToken": "[^"]*"', "", text))
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


def test_groups_in_the_filter_of_requests(app: Flask, site: Site) -> None:
    """An owner may filter by groups of the own extension, and reads no names of others."""
    begin_write()
    here = pbxs.get_pbx("here")
    for group, number in (("Reception", "101"), ("Dismissals", "102")):
        members = [one for one in list_extensions(here) if one.number == number]
        groups.add_group(here, GroupData(group, "", members))
    groups.add_group(pbxs.get_pbx("elsewhere"), GroupData("Board"))
    db.session.commit()
    names = {"Reception", "Dismissals", "Sales", "Board"}
    for name, shown in (
        ("owner", {"Reception"}),
        ("viewer-here", {"Reception", "Dismissals", "Sales"}),
        ("viewer", {"Reception", "Dismissals", "Sales", "Board"}),
    ):
        visitor = Visitor(app.test_client())
        visitor.sign_in(name)
        for path in ("/pbxs/here/requests", "/requests"):
            text = visitor.get(path).text
            assert {one for one in names if f'value="{one}"' in text} == shown, (name, path)


def test_waiting_for_a_delivery_of_another_extension(app: Flask, site: Site) -> None:
    """An owner reads that an earlier delivery of the call is first, and not which one."""
    begin_write()
    for number in ("102", "101"):
        report = Report(event_type=EventType.DIAL_IN, extension=number, call_id="both")
        accept(pbxs.get_pbx("here"), [report])
    db.session.commit()
    found = select(Delivery.id).where(Delivery.call_id == "both").order_by(Delivery.id)
    first, second = db.session.scalars(found)
    for name, is_shown in (("owner", False), ("viewer-here", True)):
        visitor = Visitor(app.test_client())
        visitor.sign_in(name)
        for path in (f"/pbxs/here/deliveries/{second}", "/pbxs/here/call?id=both"):
            text = visitor.get(path).text
            assert "Waiting for" in text
            assert "earlier delivery of the same call" in text
            assert (f"/pbxs/here/deliveries/{first}" in text) is is_shown, (name, path)
            assert ("which you may not see" in text) is not is_shown, (name, path)
