"""Rights: a token may do what its user may do now, at extensions that the user may see."""

from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callevents.db.models import Pbx, User
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from callevents.hooks import queries
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import create_receiver
from callevents.users.grants import NewGrant, remove_grants, set_grants
from tests.api.uapi.conftest import (
    EVENTS,
    NUMBER,
    URL,
    Api,
    GetToken,
    add_user,
    check_error,
    extension_of,
    stored_hooks,
    succeeded,
)
from tests.conftest import Configure

OTHER_NUMBER = "0003*211"
FOREIGN_NUMBER = "0009*300"


@dataclass
class World:
    """Two PBXs: extensions 0003*210 and 0003*211 of one, 0009*300 of the other."""

    here: Pbx
    elsewhere: Pbx
    client: FlaskClient
    get_token: GetToken

    def api(self, user: User, number: str = NUMBER, pbx: Pbx | None = None) -> Api:
        """Return a client with a token of the user, at this extension."""
        base = f"/uapi/extensions/@me/{number}/phoneCallEvents"
        return Api(self.client, self.get_token(user, pbx), base)


@pytest.fixture
def world(
    app: Flask, configure: Configure, other_pbx: Pbx, client: FlaskClient, get_token: GetToken
) -> World:
    """Two PBXs with a hook at each extension."""
    for number in (NUMBER, OTHER_NUMBER):
        configure.extension(number)
        configure.hook(number, EventType.DIAL_IN, URL)
    foreign = Configure(other_pbx)
    foreign.extension(FOREIGN_NUMBER)
    foreign.hook(FOREIGN_NUMBER, EventType.DIAL_IN, URL)
    return World(configure.pbx, other_pbx, client, get_token)


def try_all(api: Api) -> str:
    """Try to read, change, add and remove; return what is allowed: edit, see or nothing."""
    answer = api.send("GET")
    if answer.status_code != 200:
        check_error(answer, 400, "extension_invalid")
        for method in ("POST", "DELETE"):
            check_error(api.send(method, json={"type": 0}), 400, "extension_invalid")
        check_error(api.send("PUT", "/0/x", json={}), 400, "extension_invalid")
        return "nothing"
    [event] = succeeded(answer)["entry"]
    path = f"/0/{event['id']}"
    if api.send("PUT", path, json={"note": "x"}).status_code != 200:
        for method, where in (("PUT", path), ("POST", ""), ("DELETE", path), ("DELETE", "")):
            denied = api.send(method, where, json={"note": "x"})
            check_error(denied, 403, "access_denied")
            assert "insufficient_scope" in denied.headers["WWW-Authenticate"]
        assert api.entries() == [event]
        return "see"
    added = api.create(type="1")
    assert api.delete("/1") == [added]
    return "edit"


#: What a user with this role may do at 0003*210, 0003*211 and 0009*300.
TABLE = {
    "admin": ("edit", "edit", "edit"),
    "operator": ("edit", "edit", "edit"),
    "viewer": ("see", "see", "see"),
    "admin here": ("edit", "edit", "nothing"),
    "operator here": ("edit", "edit", "nothing"),
    "viewer here": ("see", "see", "nothing"),
    "owner": ("edit", "nothing", "nothing"),
    "owner, viewer here": ("edit", "see", "nothing"),
    "operator here, viewer": ("edit", "edit", "see"),
    "nobody": ("nothing", "nothing", "nothing"),
}


@pytest.mark.parametrize("is_limited", [False, True], ids=["all PBXs", "one PBX"])
@pytest.mark.parametrize("name", TABLE)
def test_roles(world: World, name: str, *, is_limited: bool) -> None:
    """Each role, with a token for all PBXs, and with one for the first."""
    here = world.here
    grants = {
        "admin": NewGrant(Role.ADMIN),
        "operator": NewGrant(Role.OPERATOR),
        "viewer": NewGrant(Role.VIEWER),
        "admin here": NewGrant(Role.ADMIN, here),
        "operator here": NewGrant(Role.OPERATOR, here),
        "viewer here": NewGrant(Role.VIEWER, here),
        "owner": NewGrant(Role.SELF_SERVICE, here, extension_of(here)),
        "nobody": NewGrant(Role.VIEWER),
    }
    user = add_user("ben", *(grants[one] for one in name.split(", ")))
    pbx = here if is_limited else None
    apis = [world.api(user, number, pbx) for number in (NUMBER, OTHER_NUMBER, FOREIGN_NUMBER)]
    if name == "nobody":
        # After the apps were added.
        begin_write()
        remove_grants(user)
        db.session.commit()
    found = tuple(map(try_all, apis))
    expected = TABLE[name]
    assert found == ((*expected[:2], "nothing") if is_limited else expected)
    assert len(stored_hooks()) == 3


def test_rights_count_as_they_are_now(world: World) -> None:
    """A token gets and loses rights with its user."""
    user = add_user("ben", NewGrant(Role.OPERATOR))
    api = world.api(user)
    assert try_all(api) == "edit"
    for role, expected in ((Role.VIEWER, "see"), (Role.OPERATOR, "edit")):
        begin_write()
        set_grants(user, [NewGrant(role, world.here)])
        db.session.commit()
        assert try_all(api) == expected


def test_users(world: World) -> None:
    """Admins of all PBXs may name any user; all others only themselves."""
    ada = add_user("ada", NewGrant(Role.ADMIN))
    ben = add_user("ben", NewGrant(Role.ADMIN, world.here))
    ids = {"ada": ada.id, "ben": ben.id}
    for user, pbx, allowed in (
        (ada, None, {"ada", "ben"}),
        # A token for one PBX is not for the whole installation.
        (ada, world.here, {"ada"}),
        (ben, None, {"ben"}),
    ):
        api = world.api(user, pbx=pbx)
        for name, user_id in ids.items():
            api.base = EVENTS.replace("@me", str(user_id))
            if name in allowed:
                succeeded(api.send("GET"))
            else:
                check_error(api.send("GET"), 400, "user_invalid")
    api = world.api(ada)
    for text in ("@self", "0", f"0{ada.id}", "9999", "-1", "x", "@", "%00", "9" * 20, "²"):
        api.base = EVENTS.replace("@me", text)
        check_error(api.send("GET"), 400, "user_invalid")


def test_numbers(world: World, configure: Configure) -> None:
    """The exact number first, else the only one with the same part after the star."""
    for number in ("300", "0003*400", "500", "1*2*600", "0003*7A0", "0003*7a0"):
        configure.extension(number)
    Configure(world.elsewhere).extension("0009*400")
    api = world.api(add_user("ada", NewGrant(Role.ADMIN)))
    found = {
        "300": "300",
        "0009*300": "0009*300",
        "0003*300": "300",
        "0003*500": "500",
        "1*2*600": "1*2*600",
        "600": "1*2*600",
        "2*600": "1*2*600",
        "7A0": "0003*7A0",
        "7a0": "0003*7a0",
        "400": "",
        "0001*400": "",
        "7A": "",
        "00": "",
        "*300": "300",
        "%25": "",
        "_00": "",
    }
    for number, expected in found.items():
        api.base = f"/uapi/extensions/@me/{number}/phoneCallEvents"
        if expected:
            self = api.create(type="4")["links"]["self"]
            assert f"/@me/{expected}/phoneCallEvents/4/" in self, number
        else:
            check_error(api.send("GET"), 400, "extension_invalid")
    for number in ("999", "@self", "*", "0003*", "*210*", "%00", "%FF", "21", "9" * 500):
        api.base = f"/uapi/extensions/@me/{number}/phoneCallEvents"
        for method in ("GET", "POST", "DELETE"):
            answer = api.send(method, json={"type": 0, "url": URL})
            check_error(answer, 400, "extension_invalid")


def test_ambiguous_numbers(world: World) -> None:
    """A number that two PBXs have is ambiguous, unless the user or the token sees only one."""
    foreign = Configure(world.elsewhere)
    foreign.extension(NUMBER)
    ada = add_user("ada", NewGrant(Role.ADMIN))
    message = check_error(world.api(ada).send("GET"), 400, "extension_invalid")
    assert "Several" in message
    for pbx, count in ((world.here, 1), (world.elsewhere, 0)):
        assert len(world.api(ada, pbx=pbx).entries()) == count
    ben = add_user("ben", NewGrant(Role.VIEWER, world.elsewhere))
    assert world.api(ben).entries() == []
    assert world.api(ben, "210").entries() == []


def test_hidden_extensions(world: World) -> None:
    """An extension that may not be seen gets the same answer as one that is not there."""
    ben = add_user("ben", NewGrant(Role.SELF_SERVICE, world.here, extension_of(world.here)))
    answers = {
        world.api(ben, number).send("GET").text for number in (OTHER_NUMBER, FOREIGN_NUMBER, "999")
    }
    assert len(answers) == 1


def test_owners_do_not_choose_what_a_receiver_gets(world: World) -> None:
    """They switch its request on and off and change its note, and nothing that it sends."""
    user = add_user("ben", NewGrant(Role.SELF_SERVICE, world.here, extension_of(world.here)))
    api = world.api(user)
    [event] = api.entries()
    begin_write()
    hook = next(hook for hook in queries.list_all_hooks() if hook.event_id == event["id"])
    hook.receiver_id = create_receiver(ReceiverData("CRM", URL)).id
    db.session.commit()
    path = f"/0/{event['id']}"
    for values in ({"url": f"{URL}/users"}, {"method": "1"}):
        check_error(api.send("PUT", path, json=values), 400, "pce_url_invalid")
    changed = api.update(event, note="mine", status="0", url=URL)
    assert (changed["note"], changed["status"]) == ("mine", "0")
    operator = world.api(add_user("eva", NewGrant(Role.OPERATOR)))
    secret = f"{URL}/users?token=s3cret-1234567890"
    assert operator.update(event, url=secret)["url"] == secret
    masked = secret.replace("s3cret-1234567890", "••••")
    [shown] = api.entries()
    assert shown["url"] == masked
    # Clients send back what they were shown.
    assert api.update(shown, note="still mine", url=masked)["url"] == masked
    # Otherwise a short secret could be guessed.
    right, wrong = (
        api.send("PUT", path, json={"url": url}) for url in (secret, secret.replace("90", "91"))
    )
    check_error(right, 400, "pce_url_invalid")
    assert right.get_json() == wrong.get_json()
    db.session.rollback()
    assert (hook.note, hook.url) == ("still mine", secret)
    [removed] = api.send("DELETE", path).json
    assert removed["url"] == masked
