"""The owner of one extension is not shown what belongs to others, or to receivers."""

import pytest
from flask import Flask

from callevents.api.v1.problems import ProblemType
from callevents.db.session import begin_write
from callevents.delivery.request.masking import mask_url
from callevents.enums import Role
from callevents.extensions import db
from callevents.receivers.connect import connect
from callevents.receivers.receivers import get_receiver
from callevents.receivers.validation import Kept
from tests.api.v1.conftest import MakeApi, api, check_problem
from tests.receivers.conftest import AddReceiver
from tests.receivers.test_owners import REFUSED, World, fields, sign_in, world
from tests.support.receiver import Receiver

__all__ = ["api", "world"]


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
def test_connecting_names_only_visible_requests(
    api: MakeApi, world: World, add_receiver: AddReceiver, receiver: Receiver, role: Role
) -> None:
    """Requests for all extensions serve the owner's extension, and their IDs stay unknown."""
    is_owner = role is Role.SELF_SERVICE
    other = add_receiver("second", url=receiver.url)
    begin_write()
    of_all = {one.event_id for one in connect(other, world.pbx, None, ["pop"]).created}
    db.session.commit()
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    path, body = f"/receivers/{other.slug}/connect", {"pbx": world.pbx.slug, "extensions": ["101"]}
    first = program.post(path, {**body, "requests": ["pop", "log"]}).get_json()
    assert [one["request"] for one in first["created"]] == ["log"]
    assert {one["event_id"] for one in first["kept"]} == (set() if is_owner else of_all)
    own = {one["event_id"] for one in first["created"]}
    again = program.post(path, {**body, "requests": ["pop", "log"]}).get_json()
    assert again["created"] == []
    assert {one["event_id"] for one in again["kept"]} == (own if is_owner else own | of_all)


def hide(url: str) -> str:
    """Return the URL with another secret of the same length, in its query."""
    return url[:-4] + "4710"


@pytest.fixture
def pin(world: World) -> str:
    """The URL of the receiver's request has a short secret."""
    begin_write()
    world.hook.url = f"{world.crm.address}/pop?pin=4711"
    db.session.commit()
    return world.hook.url


def test_programs_cannot_guess_a_hidden_url(api: MakeApi, world: World, pin: str) -> None:
    """The right URL gets the same answer as a wrong one; only the masked one keeps it."""
    program = api(Role.SELF_SERVICE, pbx=world.pbx, extension=world.hook.extension)
    path = f"/hooks/{world.hook.event_id}"
    invalid = {"headers": [{"name": "Host", "value": "a"}]}
    for more in ({}, {"receiver": None}, {"receiver": world.crm.slug}, invalid):
        right, wrong, other = (
            program.patch(path, {"url": url, **more}) for url in (pin, hide(pin), "http://a.test/")
        )
        check_problem(right, ProblemType.INVALID_REQUEST, "#/receiver")
        assert (
            right.get_json()["errors"] == wrong.get_json()["errors"] == other.get_json()["errors"]
        )
    for given in ({"url": mask_url(pin), "note": "mine"}, {"note": "mine"}):
        assert program.patch(path, given).status_code == 200
    db.session.rollback()
    assert (world.hook.url, world.hook.note) == (pin, "mine")
    # Those who see it may send it.
    operator = api(Role.OPERATOR, pbx=world.pbx)
    assert operator.patch(path, {"url": pin}).status_code == 200
    assert operator.patch(path, {"url": hide(pin)}).status_code == 200


def test_the_dialog_cannot_guess_a_hidden_url(app: Flask, world: World, pin: str) -> None:
    """Nor do its preview and its test request tell."""
    owner = sign_in(app, world, Role.SELF_SERVICE)
    for path in (world.dialog, f"{world.page}/preview/dial-in", f"{world.page}/test/dial-in"):
        for receiver in (world.crm.slug, ""):
            for url in (pin, hide(pin), "http://a.test/"):
                values = fields(world.hook, event_id=world.hook.event_id, receiver=receiver)
                text = owner.post(path, **{**values, "url": url}).text
                assert REFUSED in text, (path, receiver, url)
                assert "must begin with the address of" not in text
    values = fields(world.hook, receiver=world.crm.slug, note="mine")
    assert owner.post(world.dialog, **{**values, "url": mask_url(pin)}).status_code == 303
    db.session.rollback()
    assert (world.hook.url, world.hook.note) == (pin, "mine")


@pytest.mark.parametrize("is_right", [True, False])
def test_nobody_guesses_the_address_of_a_receiver(
    app: Flask, api: MakeApi, world: World, receiver: Receiver, is_right: bool
) -> None:
    """The owner of a request without a receiver learns nothing of the secret in its address."""
    begin_write()
    world.crm.address = address = f"{receiver.url}/hooks/4711"
    db.session.commit()
    given = {
        "url": f"{address if is_right else hide(address)}/pop",
        "receiver": world.crm.slug,
    }
    program = api(Role.SELF_SERVICE, pbx=world.pbx, extension=world.hook.extension)
    answer = program.patch(f"/hooks/{world.plain.event_id}", given)
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/receiver")
    assert REFUSED in answer.text
    for role in (Role.SELF_SERVICE, Role.OPERATOR):
        visitor = sign_in(app, world, role)
        place = f"extension_id={world.plain.extension_id}"
        for path in (
            f"{world.page}/requests/{world.plain.event_id}",
            f"{world.page}/preview/answer-in",
            f"/pbxs/{world.pbx.slug}/extensions/configure/answer-in?{place}",
        ):
            values = fields(world.plain, event_id=world.plain.event_id, auth="none", **given)
            del values["headers-0-name"]
            text = visitor.post(path, **values).text
            if role is Role.SELF_SERVICE:
                # Nor does it follow from the preview.
                assert "Enter a valid URL" not in visitor.post(path, **values, preview="yes").text
            assert ("must begin with the address of" in text) is (
                role is Role.OPERATOR and not is_right
            ), path


def test_secrets_in_the_url_of_a_token_server(api: MakeApi, world: World) -> None:
    """They are masked; the masked URL sent back keeps the stored one, and another is refused."""
    admin = api(Role.ADMIN)
    url = "https://o.example.com/token?api_key=k1m2n3p4q5r6"
    secrets = {"client_id": "a", "client_secret": "b-secret-value"}
    settings = {"kind": "client-credentials", "token_url": url, **secrets}
    given = {"name": "O", "address": "https://o.example.com", "authentication": settings}
    masked = admin.post("/receivers", given).get_json()["authentication"]["token_url"]
    assert masked == mask_url(url) != url
    program = api(Role.SELF_SERVICE, pbx=world.pbx, extension=world.hook.extension)
    for path in ("/receivers/o", "/receivers"):
        assert masked in program.get(path).text
        assert "k1m2n3p4q5r6" not in program.get(path).text
    kept = {"kind": "client-credentials", "token_url": masked, "scope": "calls"}
    shown = admin.patch("/receivers/o", {"authentication": kept}).get_json()
    assert shown["authentication"] | kept == shown["authentication"]
    db.session.rollback()
    receiver = get_receiver("o")
    assert Kept.of(receiver).credentials == {"token_url": url, **secrets, "scope": "calls"}
    wrong = {**kept, "token_url": masked.replace("/token", "/other")}
    answer = admin.patch("/receivers/o", {"authentication": wrong})
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/authentication/token_url")
    answer = admin.post(
        "/receivers", {**given, "authentication": {**settings, "token_url": masked}}
    )
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/authentication/token_url")
