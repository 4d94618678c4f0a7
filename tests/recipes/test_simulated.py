"""The simulated receivers refuse what the real ones refuse."""

import json
from urllib.parse import urlencode

import pytest

from callevents.receivers.recipe_files import FOLDER, read_recipe
from tests.recipes.simulated import SIMULATED, oauth, zoho
from tests.recipes.simulated.base import post
from tests.recipes.simulated.bitrix24 import SECRET, Bitrix24
from tests.recipes.simulated.hubspot import HubSpot
from tests.recipes.simulated.kommo import Kommo
from tests.recipes.simulated.oauth import ClientCredentials
from tests.recipes.simulated.pipedrive import Pipedrive
from tests.recipes.simulated.slack import PATH, Slack
from tests.recipes.simulated.zammad import TOKEN, Zammad
from tests.recipes.simulated.zoho import Zoho

#: OAuth 2.0 in general.
WITHOUT_RECIPE = {"oauth"}
CTI = f"/api/v1/cti/{TOKEN}"
NEW_CALL = {"event": "newCall", "from": "+40721000001", "to": "101", "direction": "in"}
METHOD = f"/rest/1/{SECRET}/telephony.externalcall."
REGISTER = {"USER_PHONE_INNER": "101", "PHONE_NUMBER": "+40721000001", "TYPE": 2}


def test_zammad_keeps_one_entry_for_each_call() -> None:
    """A call ID that is known or unknown, another direction, event or cause is refused."""
    zammad = Zammad()
    call = {**NEW_CALL, "callId": "1"}
    assert post(zammad, CTI, call).status == 200
    assert post(zammad, CTI, call).status == 500
    assert post(zammad, CTI, {**call, "callId": "2", "direction": "IN"}).status == 422
    assert post(zammad, CTI, {**call, "callId": "2", "event": "ringing"}).status == 422
    assert post(zammad, CTI, {**call, "callId": "2", "event": "answer"}).status == 500
    assert post(zammad, CTI, {**call, "event": "hangup", "cause": "NOANSWER"}).status == 422
    assert post(zammad, "/api/v1/cti/wrong", call).status == 401
    assert post(zammad, CTI, {**call, "event": "hangup", "cause": "noAnswer"}).status == 200
    assert (zammad.log["1"].state, zammad.log["1"].is_done) == ("hangup", False)


def test_zammad_rejects_blocked_numbers() -> None:
    """It says so in its answer, with success."""
    zammad = Zammad(blocked=frozenset({"+40721000001"}))
    reply = post(zammad, CTI, {**NEW_CALL, "callId": "1"})
    assert (reply.status, json.loads(reply.body)["action"]) == (200, "reject")


def test_bitrix24_finishes_registered_calls_only() -> None:
    """By the ID of its answer, with a user that it has."""
    bitrix = Bitrix24()
    reply = post(bitrix, f"{METHOD}register.json", REGISTER)
    call_id = json.loads(reply.body)["result"]["CALL_ID"]
    again = json.loads(post(bitrix, f"{METHOD}register", REGISTER).body)["result"]["CALL_ID"]
    assert again == call_id
    end = {"CALL_ID": call_id, "USER_ID": 1269, "DURATION": 42, "STATUS_CODE": "200"}
    assert post(bitrix, f"{METHOD}finish.json", {**end, "CALL_ID": "other"}).status == 400
    assert post(bitrix, f"{METHOD}finish.json", {**end, "USER_ID": None}).status == 400
    assert post(bitrix, f"{METHOD}finish.json", {**end, "USER_ID": 5}).status == 400
    assert post(bitrix, f"{METHOD}finish.json", {**end, "STATUS_CODE": "NOANSWER"}).status == 400
    assert post(bitrix, f"{METHOD}finish.json", end).status == 200
    assert (bitrix.calls[call_id].finished_by, bitrix.calls[call_id].duration) == (1269, 42)
    assert post(bitrix, "/rest/1/wrong/telephony.externalcall.register", REGISTER).status == 401


@pytest.mark.parametrize(
    "change",
    [
        {"TYPE": "IN"},
        {"PHONE_NUMBER": "anonymous"},
        {"USER_PHONE_INNER": "999"},
        {"CALL_START_DATE": "2026-03-01 10:00:00"},
    ],
)
def test_bitrix24_refuses_invalid_calls(change: dict[str, str]) -> None:
    """Another type, number, user or date."""
    assert post(Bitrix24(), f"{METHOD}register.json", {**REGISTER, **change}).status == 400


def test_slack_refuses_markup_and_empty_messages() -> None:
    """Also a path that it did not issue."""
    slack = Slack()
    assert post(slack, PATH, {"text": "Missed call"}).status == 200
    assert post(slack, PATH, {"text": "<!channel>"}).status == 400
    assert post(slack, PATH, {}).status == 400
    assert post(slack, PATH, {"blocks": [{"type": "section", "text": {}}]}).status == 400
    assert post(slack, "/services/T/B/X", {"text": "Missed call"}).status == 404
    assert slack.messages == ["Missed call"]


def test_hubspot_refuses_unknown_properties_and_values() -> None:
    """A call needs hs_timestamp; the token is checked."""
    hubspot, path = HubSpot(), "/crm/v3/objects/calls"
    bearer = {"Authorization": f"Bearer {HubSpot.answers['token']}"}
    good = {"hs_timestamp": "2026-03-01T10:00:00.250Z", "hs_call_direction": "INBOUND"}
    assert post(hubspot, path, {"properties": good}, **bearer).status == 201
    assert post(hubspot, path, {"properties": good}).status == 401
    for change in (
        {"hs_timestamp": "2026-03-01 10:00:00"},
        {"hs_call_direction": "IN"},
        {"hs_call_status": "NOANSWER"},
        {"hs_call_duration": "42s"},
        {"phone": "1"},
        {"hubspot_owner_id": 701},
    ):
        reply = post(hubspot, path, {"properties": {**good, **change}}, **bearer)
        assert reply.status == 400, change


def test_pipedrive_refuses_other_outcomes_and_times() -> None:
    """And fields that it does not have, or of another type."""
    pipedrive, token = Pipedrive(), {"x_api_token": Pipedrive.answers["token"]}
    good = {
        "outcome": "connected",
        "to_phone_number": "101",
        "start_time": "2026-03-01 10:00:00",
        "end_time": "2026-03-01 10:00:42",
    }
    assert post(pipedrive, "/v1/callLogs", good, **token).status == 200
    assert post(pipedrive, "/v1/callLogs", good).status == 401
    for change in (
        {"outcome": "ANSWER"},
        {"to_phone_number": ""},
        {"start_time": "2026-03-01T10:00:00Z"},
        {"end_time": "2026-03-01 09:00:00"},
        {"user_id": "7"},
        {"duration": 42},
        {"direction": "in"},
    ):
        assert post(pipedrive, "/v1/callLogs", {**good, **change}, **token).status == 400, change


def test_kommo_refuses_other_types_and_statuses() -> None:
    """Calls are a list; notifications name users."""
    kommo, bearer = Kommo(), {"Authorization": f"Bearer {Kommo.answers['token']}"}
    good = {"direction": "inbound", "duration": 42, "source": "test", "phone": "+40721000001"}
    assert post(kommo, "/api/v4/calls", [good], **bearer).status == 200
    assert post(kommo, "/api/v4/calls", good, **bearer).status == 400
    for change in ({"direction": "in"}, {"duration": "42"}, {"call_status": 9}, {"phone": ""}):
        reply = post(kommo, "/api/v4/calls", [{**good, **change}], **bearer)
        assert reply.status == 400, change
    event = {"type": "phone_call", "phone_number": "+40721000001", "users": [8375357]}
    assert post(kommo, "/api/v2/events", {"add": [event]}, **bearer).status == 200
    unknown = {"add": [{**event, "users": [1]}]}
    assert post(kommo, "/api/v2/events", unknown, **bearer).status == 400


def test_tokens_are_issued_to_the_client_only() -> None:
    """The newest one is accepted, until it is revoked."""
    receiver = ClientCredentials()
    grant = {"grant_type": "client_credentials", "client_id": oauth.CLIENT_ID}
    assert post(receiver, "/token", urlencode(grant)).status == 401
    grant["client_secret"] = oauth.CLIENT_SECRET
    reply = post(receiver, "/token", urlencode(grant))
    token = json.loads(reply.body)["access_token"]
    assert post(receiver, "/calls", {}, Authorization=f"Bearer {token}").status == 200
    receiver.revoke()
    assert post(receiver, "/calls", {}, Authorization=f"Bearer {token}").status == 401


def test_zoho_refuses_calls_without_required_fields() -> None:
    """Numbers of customers are in E.164; ends have a start."""
    receiver, path = Zoho(), "/phonebridge/v3/callnotify"
    grant = {
        "grant_type": "refresh_token",
        "refresh_token": zoho.REFRESH_TOKEN,
        "client_id": oauth.CLIENT_ID,
        "client_secret": oauth.CLIENT_SECRET,
    }
    token = json.loads(post(receiver, "/oauth/v2/token", urlencode(grant)).body)["access_token"]
    header = {"Authorization": f"Zoho-oauthtoken {token}"}
    good = {"type": "received", "state": "ringing", "id": "1", "from": "+40721000001", "to": "101"}
    assert post(receiver, path, urlencode(good), **header).status == 200
    assert post(receiver, path, urlencode(good), Authorization=f"Bearer {token}").status == 401
    for change in (
        {"from": "0721000001"},
        {"state": "busy"},
        {"state": "missed"},
        {"id": ""},
        {"zohouser": "1"},
        {"state": "missed", "start_time": "2026-03-01T10:00:00Z"},
    ):
        assert post(receiver, path, urlencode({**good, **change}), **header).status == 400, change


@pytest.mark.parametrize("name", sorted(SIMULATED))
def test_answers_are_those_to_the_questions_of_the_recipe(name: str) -> None:
    """All that are not optional, at the address of the simulated receiver."""
    answers = SIMULATED[name].answers_at("http://127.0.0.1:8200")
    assert any(value.startswith("http://127.0.0.1:8200") for value in answers.values())
    if name not in WITHOUT_RECIPE:
        questions = read_recipe(FOLDER / f"{name}.toml").questions
        known = {question.name for question in questions}
        needed = {one.name for one in questions if not (one.is_optional or one.default)}
        assert needed <= answers.keys() <= known
