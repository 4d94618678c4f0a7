"""The owner of one extension gets no free use of the credentials of a receiver."""

from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Hook, Pbx
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.delivery.request.masking import mask_url
from callevents.enums import AuthKind, EventType, Role
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks import hooks, selection
from callevents.hooks.bulk.add import add_for_many
from callevents.hooks.bulk.changes import OF_RECEIVER
from callevents.hooks.options import Credentials, HookOptions
from callevents.hooks.selection import HookWhere
from callevents.hooks.signing_secret import rotate_secret
from callevents.pbxs.extensions import get_extension_by_number
from callevents.users import users
from callevents.users.grants import NewGrant
from callevents.users.rights import Scope
from tests.api.v1.conftest import MakeApi, api, check_problem
from tests.conftest import Configure
from tests.receivers.conftest import AddReceiver
from tests.receivers.test_connect import connect_all
from tests.support.receiver import Receiver
from tests.web.conftest import PASSWORD, Visitor

__all__ = ["api"]

REFUSED = "This needs the right to change all requests of the PBX"
OWN_CREDENTIALS = HookOptions(credentials=Credentials(AuthKind.RECEIVER))


@dataclass
class World:
    """A receiver that extension 101 is connected to, and a hook of 101 without a receiver."""

    pbx: Pbx
    crm: ReceiverRow
    hook: Hook
    plain: Hook

    @property
    def dialog(self) -> str:
        """The path of the dialog of the receiver's hook."""
        return f"{self.page}/requests/{self.hook.event_id}"

    @property
    def page(self) -> str:
        """The path of the extension."""
        return f"/pbxs/{self.pbx.slug}/extensions/{self.hook.extension_id}"


@pytest.fixture
def world(pbx: Pbx, configure: Configure, add_receiver: AddReceiver, receiver: Receiver) -> World:
    """The receiver is a real one, for all PBXs."""
    configure.extension("101")
    plain = configure.hook("101", EventType.ANSWER_IN, f"{receiver.url}/own")
    crm = add_receiver(url=receiver.url)
    [hook] = [
        one for one in connect_all(crm, pbx, "101").created if one.event_type is EventType.DIAL_IN
    ]
    return World(pbx, crm, hook, plain)


def sign_in(app: Flask, world: World, role: Role) -> Visitor:
    """Return a user with the role for the PBX, or as owner for extension 101 of it."""
    extension = world.hook.extension if role is Role.SELF_SERVICE else None
    begin_write()
    users.add_user(role.value, PASSWORD, NewGrant(role, world.pbx, extension))
    db.session.commit()
    visitor = Visitor(app.test_client())
    visitor.sign_in(role.value)
    return visitor


def fields(hook: Hook, **values: object) -> dict[str, object]:
    """Return what the dialog of the hook submits, with these values."""
    return {
        "method": hook.method.value,
        "url": hook.url,
        "active": "yes",
        "note": hook.note,
        "give_up_seconds": str(hook.give_up_seconds),
        "in_order": "yes",
        "body_format": hook.body_format.value,
        "parameters": hook.parameters.value,
        "auth": hook.auth.value,
        "content_type": hook.content_type,
        "body_template": hook.body_template,
        "scope": hook.scope.value,
        "missing_answer": hook.missing_answer.value,
        "signing": "keep",
        "headers-0-name": "X-Version",
        **values,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"},
        {"url": "another"},
        {"body_template": '{"role": "admin"}'},
        {"headers-0-value": "3"},
        {"headers-1-name": "X-Method", "headers-1-value": "DELETE"},
        {"auth": "none"},
    ],
)
def test_the_dialog_keeps_what_is_sent(app: Flask, world: World, change: dict[str, str]) -> None:
    """The owner changes the note and the policy; whoever may edit the PBX changes the rest."""
    if "url" in change:
        change = {"url": f"{world.crm.address}/users"}
    before = (world.hook.method, world.hook.url, world.hook.body_template)
    owner = sign_in(app, world, Role.SELF_SERVICE)
    answer = owner.post(world.dialog, **fields(world.hook, **change))
    assert (answer.status_code, REFUSED in answer.text) == (422, True)
    db.session.rollback()
    assert before == (world.hook.method, world.hook.url, world.hook.body_template)
    given = fields(world.hook, note="mine", give_up_seconds="30", internal="yes")
    assert owner.post(world.dialog, **given).status_code == 303
    db.session.rollback()
    assert (world.hook.note, world.hook.give_up_seconds) == ("mine", 30)
    assert owner.post(f"{world.dialog}/active", active="no").status_code == 303
    assert owner.post(f"{world.page}/clear", event_id=world.hook.event_id).status_code == 303


def test_the_operator_changes_all(app: Flask, world: World) -> None:
    """As before."""
    operator = sign_in(app, world, Role.OPERATOR)
    assert operator.post(world.dialog, **fields(world.hook, method="PUT")).status_code == 303
    db.session.rollback()
    assert world.hook.method.value == "PUT"


SECRET = "k3y-Of-Th3-Crm-9s8d7f"


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
def test_secrets_in_urls(app: Flask, api: MakeApi, world: World, role: Role) -> None:
    """Where the URL is the credential of the receiver, its owner sees the rest of it."""
    is_owner = role is Role.SELF_SERVICE
    begin_write()
    url = world.hook.url = f"{world.crm.address}/pop?token={SECRET}"
    db.session.commit()
    visitor = sign_in(app, world, role)
    dialog = visitor.get(world.dialog).text
    assert f"{world.crm.address}/pop?token=" in dialog
    assert (SECRET in dialog) is not is_owner
    if is_owner:
        assert "Secrets in the URL are hidden." in dialog
    values = fields(world.hook, note="mine", event_id=world.hook.event_id)
    if is_owner:
        values["url"] = mask_url(url)
    preview = visitor.post(f"{world.page}/preview/dial-in", **values)
    assert "/pop?token=••••" in preview.text
    assert SECRET not in preview.text
    wrong = visitor.post(world.dialog, **{**values, "note": 5_000 * "x"})
    assert (wrong.status_code, SECRET in wrong.text) == (422, not is_owner)
    assert visitor.post(world.dialog, **values).status_code == 303
    db.session.rollback()
    assert (world.hook.note, world.hook.url) == ("mine", url)
    scope = Scope(
        pbx_ids=frozenset() if is_owner else frozenset([world.pbx.id]),
        extension_ids=frozenset([str(world.hook.extension_id)]),
        partial_pbx_ids=frozenset([world.pbx.id]),
    )
    # Otherwise the secret could be found out, one character after the other.
    for part in (f"token={SECRET[:3]}", "/pop"):
        assert selection.count(HookWhere(url=part), scope) == (0 if is_owner else 1)
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    for find in (SECRET[:3], "no such text"):
        reply = bulk(program, world.hook, action="replace_url", find=find, replacement="?")
        left_out = [one["reason"] for one in reply.get_json()["left_out"]]
        assert left_out == [OF_RECEIVER] * is_owner
    db.session.rollback()
    world.hook.url = url
    db.session.commit()
    assert SECRET not in program.get(f"/hooks/{world.hook.event_id}").text
    shown = program.get(f"/hooks/{world.hook.event_id}/url")
    assert (shown.status_code, SECRET in shown.text) == ((403, False) if is_owner else (200, True))


@pytest.mark.parametrize(
    ("role", "arrivals"), [(Role.SELF_SERVICE, 0), (Role.OPERATOR, 1)], ids=["owner", "operator"]
)
def test_tests_of_the_dialog(
    app: Flask, world: World, receiver: Receiver, role: Role, arrivals: int
) -> None:
    """Nothing is sent for the owner, whatever the form has."""
    visitor = sign_in(app, world, role)
    url = f"{world.page}/test/dial-in"
    answer = visitor.post(url, **fields(world.hook, event_id=world.hook.event_id))
    assert len(receiver.arrivals) == arrivals
    assert (REFUSED in answer.text) is not bool(arrivals)
    # A request without a receiver is the owner's own.
    plain = fields(world.plain, event_id=world.plain.event_id, auth="none")
    del plain["headers-0-name"]
    visitor.post(f"{world.page}/test/answer-in", **plain)
    assert len(receiver.arrivals) == arrivals + 1


@pytest.mark.parametrize(
    ("role", "arrivals"), [(Role.SELF_SERVICE, 0), (Role.OPERATOR, 1)], ids=["owner", "operator"]
)
def test_tests_of_the_receiver(
    app: Flask, world: World, receiver: Receiver, role: Role, arrivals: int
) -> None:
    """The owner has no button, and gets 403."""
    visitor = sign_in(app, world, role)
    page = f"/receivers/{world.crm.slug}"
    assert ('id="test-receiver"' in visitor.get(page).text) is bool(arrivals)
    answer = visitor.post(f"{page}/test", pbx=world.pbx.slug, extension="101")
    assert (answer.status_code == 403) is not bool(arrivals)
    assert len(receiver.arrivals) == arrivals


def test_many_at_once_on_the_pages(app: Flask, world: World) -> None:
    """The owner can move no request to the receiver, and not change a part of its URLs."""
    owner = sign_in(app, world, Role.SELF_SERVICE)
    page = f"/pbxs/{world.pbx.slug}/requests/change"
    move = {"event_id": world.plain.event_id, "destination": world.crm.slug}
    moved = owner.post(page, action="move", step="preview", **move)
    assert "There is no receiver that all of these requests could use." in moved.text
    replace = {"event_id": world.hook.event_id, "find": "/pop", "replacement": "/users"}
    replaced = owner.post(page, action="replace", step="preview", **replace)
    assert OF_RECEIVER in replaced.text


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
def test_programs(api: MakeApi, world: World, receiver: Receiver, role: Role) -> None:
    """A token of the owner is no way around; one of an operator may do all of it."""
    is_owner = role is Role.SELF_SERVICE
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    path = f"/hooks/{world.hook.event_id}"
    for change in ({"method": "DELETE"}, {"url": f"{world.crm.address}/users"}):
        answer = program.patch(path, change)
        if is_owner:
            check_problem(answer, ProblemType.INVALID_REQUEST, "#/receiver")
        else:
            assert answer.status_code == 200, answer.text
    given = {"active": True, "note": "mine", "in_order": True}
    assert program.patch(path, given).status_code == 200
    answer = program.post(f"{path}/test")
    assert answer.status_code == (403 if is_owner else 200)
    assert len(receiver.arrivals) == (0 if is_owner else 1)
    find = "/pop" if is_owner else "/users"
    replaced = bulk(program, world.hook, action="replace_url", find=find, replacement="/calls")
    assert [one["reason"] for one in replaced.get_json()["left_out"]] == [OF_RECEIVER] * is_owner
    moved = bulk(program, world.plain, action="move", receiver=world.crm.slug)
    if is_owner:
        check_problem(moved, ProblemType.INVALID_REQUEST, "#/receiver")
    else:
        assert moved.get_json()["changed"] == 1


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
def test_signing(app: Flask, api: MakeApi, world: World, role: Role) -> None:
    """The owner gets no signing secret, and cannot turn signing off."""
    is_owner = role is Role.SELF_SERVICE
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    visitor = sign_in(app, world, role)
    secret = f"/hooks/{world.hook.event_id}/signing-secret"
    assert program.post(secret).status_code == (403 if is_owner else 200)
    begin_write()
    rotate_secret(world.hook)
    db.session.commit()
    stored, note = world.hook.signing_secret, world.hook.note
    for choice in ("new", "remove"):
        answer = visitor.post(world.dialog, **fields(world.hook, note=choice, signing=choice))
        db.session.rollback()
        if is_owner:
            assert (answer.status_code, REFUSED in answer.text) == (422, True)
            assert (world.hook.signing_secret, world.hook.note) == (stored, note)
        else:
            assert (world.hook.signing_secret != stored, world.hook.note) == (True, choice)
    assert program.delete(secret).status_code == (403 if is_owner else 204)
    # A request without a receiver is the owner's own.
    plain = f"/hooks/{world.plain.event_id}/signing-secret"
    assert program.post(plain).status_code == 200


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
@pytest.mark.parametrize("change", ["move away", "move in", "disable"])
def test_undo_of_what_an_admin_did(
    app: Flask, api: MakeApi, world: World, add_receiver: AddReceiver, role: Role, change: str
) -> None:
    """The owner is not offered to undo what changes a receiver, and cannot."""
    is_refused = role is Role.SELF_SERVICE and change != "disable"
    other = add_receiver("other", url="http://other.example.com")
    hook = world.plain if change == "move in" else world.hook
    admin = api(Role.ADMIN)
    values = {"receiver": other.slug, "drop_secrets": True} if change != "disable" else {}
    done = bulk(admin, hook, action="move" if values else "disable", **values).get_json()
    assert done["changed"] == 1
    db.session.rollback()
    before = (hook.receiver_id, hook.url, hook.active)
    visitor = sign_in(app, world, role)
    page = visitor.get(f"/pbxs/{world.pbx.slug}/requests").text
    assert ('id="undoable"' in page) is not is_refused
    is_owner = role is Role.SELF_SERVICE
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    answer = program.post(f"/hooks/bulk/{done['change_id']}/undo")
    assert answer.status_code == (409 if is_refused else 200), answer.text
    db.session.rollback()
    assert ((hook.receiver_id, hook.url, hook.active) == before) is is_refused


def bulk(program: Any, hook: Hook, **values: object) -> Any:
    """Change the hook as one of many."""
    return program.post("/hooks/bulk", {"event_ids": [hook.event_id], **values})


def test_no_request_of_a_receiver_is_made_from_scratch(world: World) -> None:
    """Neither one nor many, nor by a change of one without a receiver."""
    extension = get_extension_by_number(world.pbx, "101")
    assert extension is not None
    scope = Scope(extension_ids=frozenset([extension.id]), partial_pbx_ids=frozenset([1]))
    data = hooks.HookData(
        f"{world.crm.address}/users",
        options=OWN_CREDENTIALS,
        receiver_id=world.crm.id,
        keeps_receiver=False,
    )
    begin_write()
    with pytest.raises(InvalidError, match=REFUSED):
        hooks.create_hook(world.pbx, extension, EventType.HANGUP, data, scope=scope)
    with pytest.raises(InvalidError, match=REFUSED):
        add_for_many(world.pbx, [extension], EventType.HANGUP, data, scope=scope)
    plain = db.session.scalars(select(Hook).where(Hook.receiver_id.is_(None))).one()
    with pytest.raises(InvalidError, match=REFUSED):
        hooks.update_hook(plain, data, scope=scope)
    assert selection.find_receivers_for([plain], scope) == ()
    made = hooks.create_hook(world.pbx, extension, EventType.HANGUP, data)
    assert made.receiver_id == world.crm.id


def test_owners_connect_only_their_extension(
    app: Flask, world: World, configure: Configure
) -> None:
    """Neither another extension nor all of the PBX, whatever the form sends."""
    configure.extension("102")
    other = get_extension_by_number(world.pbx, "102")
    assert other
    owner = sign_in(app, world, Role.SELF_SERVICE)
    page = f"/receivers/{world.crm.slug}/connect/{world.pbx.slug}"
    assert other.id not in owner.get(page).text
    before = db.session.query(Hook).count()
    answer = owner.post(page, extension=other.id, request="busy")
    assert (answer.status_code, "Tick the extensions" in answer.text) == (422, True)
    assert owner.post(page, all="yes", request="busy").status_code == 403
    db.session.rollback()
    assert db.session.query(Hook).count() == before
    own = world.hook.extension_id or ""
    assert owner.post(page, extension=own, request="busy").status_code == 303
