"""Owners of extensions change many requests at once, and undo that: of a receiver only in part."""

import html
import re

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.db.models import Extension, Grant, Hook, User
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.hooks.bulk.changes import OF_RECEIVER
from callevents.hooks.bulk.undo import CHANGED_SINCE, REFUSED
from callevents.hooks.receiver import NEEDS_PBX
from callevents.pbxs.extensions import get_extension_by_number
from callevents.web.bulk_actions import ACTIONS
from tests.api.v1.conftest import MakeApi, api
from tests.conftest import Configure
from tests.receivers.test_owners import World, bulk, sign_in, world
from tests.web.views.test_requests import previewed

__all__ = ["api", "world"]

BOTH = pytest.mark.parametrize(
    "role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"]
)


def give_own(world: World, extension: Extension) -> None:
    """Make the owners of the world's extension own this one, too."""
    begin_write()
    role = Role.SELF_SERVICE
    for user in db.session.scalars(select(User).join(Grant).where(Grant.role == role)):
        user.grants.append(Grant(role=role, pbx_id=world.pbx.id, extension_id=extension.id))
    db.session.commit()


@BOTH
def test_copies(app: Flask, api: MakeApi, world: World, configure: Configure, role: Role) -> None:
    """The owner of two extensions copies only requests without a receiver from one to the other."""
    configure.extension("102")
    other = get_extension_by_number(world.pbx, "102")
    assert other
    is_owner = role is Role.SELF_SERVICE
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    visitor = sign_in(app, world, role)
    if is_owner:
        give_own(world, other)
    page = f"/pbxs/{world.pbx.slug}/requests/change"
    copy = {"action": "copy", "event_id": world.hook.event_id, "to": "102"}
    assert (OF_RECEIVER in visitor.post(page, step="preview", **copy).text) is is_owner
    for hook, is_refused in ((world.hook, is_owner), (world.plain, False)):
        answer = bulk(program, hook, action="copy", extensions=["102"]).get_json()
        assert [one["reason"] for one in answer["left_out"]] == [OF_RECEIVER] * is_refused
        assert answer["changed"] == (0 if is_refused else 1)
    db.session.rollback()
    copies = db.session.query(Hook).filter_by(extension_id=other.id).all()
    assert {one.receiver_id for one in copies} == ({None} if is_owner else {None, world.crm.id})


@pytest.mark.parametrize("way", ["page", "program"])
def test_the_rest_can_still_be_undone(app: Flask, api: MakeApi, world: World, way: str) -> None:
    """The owner undoes what the rights allow, and sees why not more; the admin undoes the rest."""
    admin, owner = api(Role.ADMIN), sign_in(app, world, Role.SELF_SERVICE)
    before = (world.hook.url, world.plain.url)
    values = {"action": "replace_url", "find": "o", "replacement": "0"}
    ids = [world.hook.event_id, world.plain.event_id]
    done = admin.post("/hooks/bulk", {"event_ids": ids, **values}).get_json()
    undo = f"/hooks/bulk/{done['change_id']}/undo"
    page = f"/pbxs/{world.pbx.slug}/requests"
    assert f"1 more stays as it is: {REFUSED}." in owner.get(page).text
    if way == "page":
        answer = owner.post(f"/requests/changes/{done['change_id']}/undo")
        shown = owner.get(answer.location).text
        assert f"1 request restored. 1 left out: {REFUSED}." in shown
        assert CHANGED_SINCE not in shown
    program = api(Role.SELF_SERVICE, pbx=world.pbx, extension=world.hook.extension)
    if way == "program":
        undone = program.post(undo).get_json()
        assert undone == {"undone": 1, "left_out": 0, "refused": 1}
    db.session.rollback()
    assert (world.hook.url == before[0], world.plain.url) == (False, before[1])
    assert 'id="undoable"' not in owner.get(page).text
    refused = program.post(undo)
    assert (refused.status_code, NEEDS_PBX in refused.get_json()["detail"]) == (409, True)
    assert admin.post(undo).get_json() == {"undone": 1, "left_out": 0, "refused": 0}
    db.session.rollback()
    assert (world.hook.url, world.plain.url) == before
    assert admin.post(undo).status_code == 409


@pytest.mark.parametrize("cleared_by", [Role.ADMIN, Role.SELF_SERVICE], ids=["admin", "owner"])
def test_undo_of_clear(app: Flask, api: MakeApi, world: World, cleared_by: Role) -> None:
    """The owner brings back what the owner cleared, and of others only what has no receiver."""
    is_refused = cleared_by is Role.ADMIN
    owner = api(Role.SELF_SERVICE, pbx=world.pbx, extension=world.hook.extension)
    admin = api(Role.ADMIN)
    visitor = sign_in(app, world, Role.SELF_SERVICE)
    program = admin if is_refused else owner
    for hook, is_refused_here in ((world.plain, False), (world.hook, is_refused)):
        event_id = hook.event_id
        done = bulk(program, hook, action="clear").get_json()
        page = visitor.get(f"/pbxs/{world.pbx.slug}/requests").text
        # A user of the pages is another actor than a program.
        assert ('id="undoable"' in page) is (hook is world.plain)
        undo = f"/hooks/bulk/{done['change_id']}/undo"
        answer = owner.post(undo)
        assert (answer.status_code, NEEDS_PBX in answer.text) == (
            (409, True) if is_refused_here else (200, False)
        )
        if is_refused_here:
            assert admin.post(undo).status_code == 200
        db.session.rollback()
        assert db.session.query(Hook).filter_by(event_id=event_id).count() == 1


def test_undo_of_an_own_clear_on_the_page(app: Flask, world: World) -> None:
    """The page offers it to the owner, and does it."""
    owner, event_id = sign_in(app, world, Role.SELF_SERVICE), world.hook.event_id
    page = f"/pbxs/{world.pbx.slug}/requests"
    fields = {"action": "clear", "event_id": event_id}
    token = previewed(owner.post(f"{page}/change", step="preview", **fields).text)
    owner.post(f"{page}/change", step="apply", previewed=token, **fields)
    [path] = re.findall(r'formaction="(/requests/changes/[^"]+)"', owner.get(page).text)
    owner.post(html.unescape(path))
    db.session.rollback()
    assert db.session.query(Hook).filter_by(event_id=event_id).count() == 1


@BOTH
def test_only_possible_changes_are_offered(app: Flask, world: World, role: Role) -> None:
    """The owner of one extension has nowhere to copy to, and may not choose a receiver."""
    visitor = sign_in(app, world, role)
    for path in (f"/pbxs/{world.pbx.slug}/requests", "/requests"):
        text = visitor.get(path).text
        offered = {one for one in ACTIONS if f'id="bulk-{one}"' in text}
        hidden = {"move", "copy"} if role is Role.SELF_SERVICE else set()
        assert offered == ACTIONS.keys() - hidden
    assert ('id="copy-requests"' in visitor.get(world.page).text) is (role is Role.OPERATOR)


def test_owners_of_two_extensions_can_copy(app: Flask, world: World, configure: Configure) -> None:
    """From one to the other."""
    configure.extension("102")
    other = get_extension_by_number(world.pbx, "102")
    assert other
    visitor = sign_in(app, world, Role.SELF_SERVICE)
    give_own(world, other)
    assert 'id="bulk-copy"' in visitor.get("/requests").text
    assert 'id="copy-requests"' in visitor.get(world.page).text
