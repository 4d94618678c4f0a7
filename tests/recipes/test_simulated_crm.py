"""The simulated EspoCRM, SuiteCRM and Vtiger refuse what the real ones refuse."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.recipes.simulated import espocrm, vtiger
from tests.recipes.simulated.base import Simulated, post
from tests.recipes.simulated.espocrm import EspoCrm
from tests.recipes.simulated.suitecrm import JSON_API, SuiteCrm
from tests.recipes.simulated.vtiger import SECRET, Vtiger
from tests.support.receiver import Arrival, Reply

ESPO = "/api/v1/Call"
ESPO_CALL = {
    "name": "Call with +40721000001",
    "status": "Held",
    "direction": "Inbound",
    "dateStart": "2026-03-01 22:29:25",
    "dateEnd": "2026-03-01 22:30:15",
    "assignedUserId": espocrm.USERS["101"],
}
SUITE = "/legacy/Api/V8/module"
SUITE_CALL = {
    "name": "Call with +40721000001",
    "status": "Held",
    "direction": "Inbound",
    "date_start": "2026-03-01 22:29:25",
    "duration_hours": 0,
    "duration_minutes": 1,
}
VTIGER = "/modules/PBXManager/callbacks/PBXManager.php"
START = {
    "callstatus": "StartApp",
    "callUUID": "1",
    "callerIdNumber": "+40721000001",
    "channel": "SIP/trunk-1",
    "StartTime": "2026-03-01 22:29:25",
}


def add_to_espo(
    receiver: EspoCrm, path: str = ESPO, key: str = espocrm.KEY, **fields: Any
) -> Reply:
    """Return the response to a call, some of whose fields are others; None: without it."""
    call = {name: value for name, value in (ESPO_CALL | fields).items() if value is not None}
    return post(receiver, path, call, X_Api_Key=key)


def test_espocrm_needs_key_path_and_json() -> None:
    """A good call is kept as it is."""
    receiver = EspoCrm()
    assert add_to_espo(receiver).status == 200
    assert add_to_espo(receiver, key="wrong").status == 401
    assert add_to_espo(receiver, path="/api/v1/Calls").status == 404
    form = post(receiver, ESPO, urlencode(ESPO_CALL), X_Api_Key=espocrm.KEY)
    assert form.status == 400
    assert receiver.calls == [ESPO_CALL]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("name", None, "required"),
        ("name", "Call with <b>", "pattern"),
        ("name", "x" * 256, "maxLength"),
        ("status", "Answered", "valid"),
        ("direction", "in", "valid"),
        ("dateStart", None, "required"),
        ("dateStart", "2026-03-01T22:29:25Z", "valid"),
        ("dateEnd", "", "required"),
        ("assignedUserId", None, "required"),
        ("assignedUserId", "ana pop", "pattern"),
    ],
)
def test_espocrm_validates_fields(field: str, value: str | None, kind: str) -> None:
    """The response names the field and the validator."""
    reply = add_to_espo(EspoCrm(), **{field: value})
    failure = json.loads(reply.body)["messageTranslation"]["data"]
    assert reply.status == 400
    assert failure == {"field": field.removesuffix("Id"), "type": kind}


def test_espocrm_checks_assignments() -> None:
    """The role must allow them, and the user must exist."""
    receiver = EspoCrm()
    assert add_to_espo(receiver, assignedUserId="65f0c1a2b3d4e5f6f").status == 403
    receiver.may_assign = False
    assert add_to_espo(receiver).status == 403
    assert receiver.calls == []


def add_to_suite(receiver: Simulated, token: str, data: Any, kind: str = JSON_API) -> Reply:
    """Return the response to a resource of JSON:API."""
    headers = {"Content_Type": kind, "Authorization": f"Bearer {token}"}
    return post(receiver, SUITE, {"data": data}, **headers)


def test_suitecrm_needs_token_type_and_json_api() -> None:
    """A body of another content type is not read."""
    receiver = SuiteCrm()
    token, data = receiver.issue(), {"type": "Calls", "attributes": SUITE_CALL}
    assert add_to_suite(receiver, token, data).status == 201
    denied = add_to_suite(receiver, "wrong", data)
    assert (denied.status, json.loads(denied.body)["error"]) == (401, "access_denied")
    other = add_to_suite(receiver, token, data, "application/x-www-form-urlencoded")
    assert b'\\"data\\" is missing' in other.body
    assert add_to_suite(receiver, token, {"attributes": SUITE_CALL}).status == 400
    assert add_to_suite(receiver, token, {**data, "type": "Phones"}).status == 400
    assert post(receiver, "/Api/V8/module", data, Authorization=f"Bearer {token}").status == 404
    assert receiver.calls == [SUITE_CALL]


@pytest.mark.parametrize(
    "change",
    [
        {"phone": "+40721000001"},
        {"name": ""},
        {"name": "x" * 51},
        {"status": "held"},
        {"direction": "in"},
        {"date_start": "2026-03-01T22:29:25Z"},
        {"duration_hours": "0"},
        {"duration_minutes": 60},
        {"assigned_user_id": 5},
    ],
)
def test_suitecrm_refuses_unknown_and_invalid_attributes(change: dict[str, Any]) -> None:
    """As in vardefs.php."""
    receiver = SuiteCrm()
    data = {"type": "Calls", "attributes": SUITE_CALL | change}
    assert add_to_suite(receiver, receiver.issue(), data).status == 400
    for name in change.keys() & {"name", "status", "date_start", "duration_hours"}:
        without = {key: value for key, value in SUITE_CALL.items() if key != name}
        data = {"type": "Calls", "attributes": without}
        assert add_to_suite(receiver, receiver.issue(), data).status == 400
    assert receiver.calls == []


def report(receiver: Vtiger, secret: str = SECRET, **fields: str) -> Reply:
    """Return the response to a form."""
    return post(receiver, VTIGER, urlencode({"vtigersignature": secret, **fields}))


def test_vtiger_answers_200_to_a_wrong_secret() -> None:
    """The body says 'Failure', and nothing is stored. It reads queries and forms only."""
    receiver = Vtiger()
    reply = report(receiver, "wrong", **START)
    assert (reply.status, b"Failure" in reply.body) == (200, True)
    assert b"Failure" in post(receiver, VTIGER, {"vtigersignature": SECRET, **START}).body
    assert post(receiver, "/modules/PBXManager.php", "a=1").status == 404
    assert (len(receiver.refused), receiver.entries) == (3, [])
    query = urlencode({"vtigersignature": SECRET, **START})
    assert b"Success" in receiver(Arrival("GET", f"{VTIGER}?{query}", {}, "")).body
    assert len(receiver.entries) == 1


def test_vtiger_tells_directions_by_its_users() -> None:
    """A call is outgoing if the caller, or the channel's device, is the extension of a user."""
    receiver = Vtiger()
    outgoing = {**START, "callerIdName": "+40721000001", "channel": "SIP/101-1"}
    report(receiver, **START)
    report(receiver, **{**outgoing, "callerIdNumber": "101"})
    report(receiver, **{**outgoing, "callerIdNumber": "+40210000100"})
    report(receiver, **{**outgoing, "callerIdNumber": "999", "channel": "SIP/999-1"})
    shown = [(one.direction, one.customer_number, one.user) for one in receiver.entries]
    assert shown == [
        ("inbound", "+40721000001", 0),
        ("outbound", "+40721000001", vtiger.USERS["101"]),
        ("outbound", "+40210000100", vtiger.USERS["101"]),
        ("inbound", "999", 0),
    ]
    assert receiver.refused == []


@pytest.mark.parametrize(
    "fields",
    [
        {"callstatus": "Ringing", "callUUID": "1"},
        {**START, "StartTime": "2026-03-01T22:29:25Z"},
        {**START, "callUUID": ""},
        {"callstatus": "DialAnswer", "callUUID": "2", "callerid2": "101"},
        {"callstatus": "EndCall", "callUUID": "1", "duration": "1", "billableseconds": "1"},
        {"callstatus": "Hangup", "callUUID": "1", "causetxt": "null"},
        {"callstatus": "Hangup", "callUUID": "2", "causetxt": "User busy"},
    ],
)
def test_vtiger_ignores_what_it_does_not_understand(fields: dict[str, str]) -> None:
    """Another status or time, a cause that is unknown, and a call that did not begin."""
    receiver = Vtiger()
    report(receiver, **START)
    [entry] = receiver.entries
    before = str(entry)
    assert report(receiver, **fields).body == b""
    assert (len(receiver.refused), str(entry)) == (1, before)
    assert receiver.entries == [entry]


def test_vtiger_keeps_answer_end_and_cause() -> None:
    """Of a call that has begun."""
    receiver = Vtiger()
    report(receiver, **START)
    times = {"starttime": START["StartTime"], "endtime": "2026-03-01 22:30:15"}
    seconds = {"duration": "50", "billableseconds": "42"}
    report(receiver, callstatus="DialAnswer", callUUID="1", callerid2="103")
    report(receiver, callstatus="EndCall", callUUID="1", **times, **seconds)
    report(receiver, callstatus="Hangup", callUUID="1", causetxt="Normal Clearing")
    [entry] = receiver.entries
    assert (entry.user, entry.status) == (vtiger.USERS["103"], "completed")
    assert (entry.ended_at, entry.talk_seconds) == (times["endtime"], "42")
    report(receiver, callstatus="Hangup", callUUID="1", causetxt="Call Rejected")
    assert (entry.status, receiver.refused) == ("busy", [])
