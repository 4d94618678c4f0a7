"""The connector of a PBX by the management API: set, get, remove."""

from datetime import timedelta
from typing import Any

import pytest

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import ConnectorState, Role
from callevents.extensions import cipher, db
from callevents.pbxs import connectors
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.audit.conftest import actions, entries

PATH = "/pbxs/head-office/connector"
BODY = {
    "kind": "asterisk",
    "host": "pbx.example.com",
    "username": "callevents",
    "secret": "geheim",
}


def without(*names: str, **values: object) -> dict[str, object]:
    """Return the settings without these fields, and with other values."""
    return {name: value for name, value in BODY.items() if name not in names} | values


def listen(pbx: Pbx, **values: Any) -> None:
    """Store what a listener stores, which has the lease for a minute."""
    begin_write()
    connector = connectors.get_connector(pbx)
    connector.leader_until = utc_now() + timedelta(minutes=1)
    connector.leader_name = "server-1:4711"
    for name, value in values.items():
        setattr(connector, name, value)
    db.session.commit()


def stored_secret(pbx: Pbx) -> str:
    """Return the secret as it is stored now."""
    db.session.rollback()
    return cipher.bound.decrypt(connectors.get_connector(pbx).secret)


def test_a_connector_is_created_and_replaced(admin: Api, pbx: Pbx) -> None:
    """The first answer is 201, the next ones 200. What is left out gets its default."""
    check_problem(admin.get(PATH), ProblemType.NOT_FOUND)
    created = admin.put(PATH, {**BODY, "uses_tls": True, "extension_pattern": "1.."})
    assert created.status_code == 201
    assert created.headers["Location"] == f"/api/v1{PATH}"
    assert created.get_json() == {
        "kind": "asterisk",
        "host": "pbx.example.com",
        "port": 5038,
        "username": "callevents",
        "has_secret": True,
        "uses_tls": True,
        "enabled": True,
        "domain": "",
        "extension_pattern": "1..",
        "modified_at": created.get_json()["modified_at"],
    }
    got = admin.get(PATH)
    assert got.get_json() == created.get_json()
    assert got.headers["ETag"] == created.headers["ETag"]
    other = {"kind": "freeswitch", "host": "192.0.2.1", "secret": "anders", "domain": "a.example"}
    replaced = admin.put(PATH, other)
    assert replaced.status_code == 200
    values = replaced.get_json()
    assert (values["port"], values["username"], values["uses_tls"]) == (8021, "", False)
    assert (values["domain"], values["extension_pattern"]) == ("a.example", "")
    assert replaced.headers["ETag"] != created.headers["ETag"]
    assert stored_secret(pbx) == "anders"
    assert actions(object_kind="connector") == ["connector.added", "connector.changed"]
    check_actor(last_entry(), admin)
    for answer in (created, got, replaced):
        assert "geheim" not in answer.text


@pytest.mark.parametrize("kept", [{}, {"secret": None}])
def test_the_secret_is_kept(admin: Api, pbx: Pbx, kept: dict[str, object]) -> None:
    """If it is left out, or null, the stored one stays, while the target is the same."""
    admin.put(PATH, BODY)
    disabled = admin.put(PATH, without("secret", enabled=False, **kept))
    assert disabled.get_json()["enabled"] is False
    assert stored_secret(pbx) == "geheim"
    assert entries(object_kind="connector")[-1].action == "connector.disabled"
    for change in ({"host": "other.example.com"}, {"port": 5039}):
        answer = admin.put(PATH, without("secret", **kept, **change))
        check_problem(answer, ProblemType.INVALID_REQUEST, "#/secret")
    assert admin.get(PATH).get_json()["host"] == "pbx.example.com"


def test_the_etag_changes_with_the_secret(admin: Api, pbx: Pbx) -> None:
    """An answer that differs in nothing else has another ETag, also within a millisecond."""
    first = admin.put(PATH, BODY)
    begin_write()
    connector = connectors.get_connector(pbx)
    connector.secret = cipher.encrypt("anders")
    db.session.commit()
    second = admin.get(PATH)
    assert second.get_json() == first.get_json()
    assert second.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["#/kind", "#/host"]),
        (without("secret"), ["#/secret"]),
        ({**BODY, "kind": "mitel"}, ["#/kind"]),
        ({**BODY, "host": " "}, ["#/host"]),
        ({**BODY, "host": "http://pbx.example.com/"}, ["#/host"]),
        ({**BODY, "host": "pbx example"}, ["#/host"]),
        ({**BODY, "port": 65536}, ["#/port"]),
        ({**BODY, "port": "5038"}, ["#/port"]),
        ({**BODY, "username": ""}, ["#/username"]),
        ({**BODY, "username": "a\nb"}, ["#/username"]),
        ({**BODY, "secret": ""}, ["#/secret"]),
        ({**BODY, "secret": "line\nbreak"}, ["#/secret"]),
        ({**BODY, "domain": "tenant.example.com"}, ["#/domain"]),
        ({**BODY, "kind": "freeswitch", "domain": "a@b.example"}, ["#/domain"]),
        ({**BODY, "extension_pattern": "(1..seltsam"}, ["#/extension_pattern"]),
        ({**BODY, "extension_pattern": "(?=1)seltsam"}, ["#/extension_pattern"]),
        ({**BODY, "extension_pattern": "1" * 201}, ["#/extension_pattern"]),
        ({**BODY, "enabled": "yes"}, ["#/enabled"]),
    ],
)
def test_invalid_settings(
    admin: Api, pbx: Pbx, body: dict[str, object], pointers: list[str]
) -> None:
    """The errors are at their fields, and repeat nothing; nothing is stored."""
    answer = admin.put(PATH, body)
    problem = check_problem(answer, ProblemType.INVALID_REQUEST, *pointers)
    sentences = [error["detail"] for error in problem["errors"]]
    for sent in ("seltsam", "pbx example", "a@b", "geheim", "mitel"):
        assert not any(sent in sentence for sentence in sentences)
    check_problem(admin.get(PATH), ProblemType.NOT_FOUND)


def test_a_connector_is_removed(admin: Api, pbx: Pbx) -> None:
    """It is gone with its secret, and the history has it; a second time it is not found."""
    admin.put(PATH, BODY)
    answer = admin.delete(PATH)
    assert (answer.status_code, answer.data) == (204, b"")
    check_problem(admin.get(PATH), ProblemType.NOT_FOUND)
    check_problem(admin.delete(PATH), ProblemType.NOT_FOUND)
    assert connectors.find_connector(pbx) is None
    entry = last_entry()
    assert (entry.action, entry.before["secret"]) == ("connector.removed", "set")
    check_actor(entry, admin)


def test_a_version_that_has_changed(admin: Api, pbx: Pbx) -> None:
    """With an old ETag, or any if there is no connector, nothing changes."""
    for condition in ("*", '"x"'):
        answer = admin.put(PATH, BODY, headers={"If-Match": condition})
        check_problem(answer, ProblemType.PRECONDITION_FAILED)
    check_problem(admin.get(PATH), ProblemType.NOT_FOUND)
    old = admin.put(PATH, BODY).headers["ETag"]
    new = admin.put(PATH, without(uses_tls=True)).headers["ETag"]
    headers = {"If-Match": old}
    for answer in (admin.put(PATH, BODY, headers=headers), admin.delete(PATH, headers=headers)):
        check_problem(answer, ProblemType.PRECONDITION_FAILED)
    assert admin.get(PATH, headers={"If-None-Match": new}).status_code == 304
    assert admin.put(PATH, BODY, headers={"If-Match": new}).status_code == 200


def test_the_state(admin: Api, pbx: Pbx) -> None:
    """It follows what listeners store; the version of the settings does not change with it."""
    check_problem(admin.get(f"{PATH}/state"), ProblemType.NOT_FOUND)
    tag = admin.put(PATH, BODY).headers["ETag"]
    state = admin.get(f"{PATH}/state").get_json()
    assert (state["status"], state["listener"], state["events"]) == ("no_listener", None, 0)
    listen(pbx, state=ConnectorState.CONNECTED, connected_since=utc_now(), events=3, messages=9)
    state = admin.get(f"{PATH}/state").get_json()
    assert (state["status"], state["listener"]) == ("connected", "server-1:4711")
    assert (state["events"], state["messages"]) == (3, 9)
    assert state["connected_since"].endswith("Z")
    listen(pbx, state=ConnectorState.PAUSING, last_error="Connection refused.")
    state = admin.get(f"{PATH}/state").get_json()
    assert (state["status"], state["connected_since"]) == ("not_connected", None)
    assert state["last_error"] == "Connection refused."
    assert admin.get(PATH).headers["ETag"] == tag
    admin.put(PATH, without("secret", enabled=False))
    state = admin.get(f"{PATH}/state").get_json()
    assert (state["status"], state["listener"]) == ("disabled", None)


def test_rights(api: MakeApi, pbx: Pbx, other_pbx: Pbx, extension: Extension) -> None:
    """All who see the whole PBX see its connector; its admins change it."""
    admins = [api(Role.ADMIN, pbx=pbx), api(limited_to=pbx)]
    for one in admins:
        assert one.put(PATH, BODY).status_code in {200, 201}
    for one in (api(Role.OPERATOR, pbx=pbx), api(Role.VIEWER)):
        for path in (PATH, f"{PATH}/state"):
            assert one.get(path).status_code == 200
        check_problem(one.put(PATH, BODY), ProblemType.FORBIDDEN)
        check_problem(one.delete(PATH), ProblemType.FORBIDDEN)
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    for one, path in ((owner, PATH), *((one, "/pbxs/branch/connector") for one in admins)):
        for answer in (one.get(path), one.put(path, BODY), one.delete(path)):
            check_problem(answer, ProblemType.NOT_FOUND)
    assert admins[0].delete(PATH).status_code == 204


def test_scopes(api: MakeApi, pbx: Pbx) -> None:
    """Reading and changing need their scopes."""
    reader, writer = api(scopes=["pbxs:read"]), api(scopes=["pbxs:write"])
    for path in (PATH, f"{PATH}/state"):
        check_problem(writer.get(path), ProblemType.INSUFFICIENT_SCOPE)
    check_problem(reader.put(PATH, BODY), ProblemType.INSUFFICIENT_SCOPE)
    check_problem(reader.delete(PATH), ProblemType.INSUFFICIENT_SCOPE)
    assert writer.put(PATH, BODY).status_code == 201
