"""The simulated Zendesk, Frappe and Odoo refuse what the real ones refuse."""

import base64
import json
from typing import Any

import pytest

from tests.recipes.simulated import frappe, odoo, zendesk
from tests.recipes.simulated.base import post
from tests.recipes.simulated.frappe import Frappe
from tests.recipes.simulated.odoo import Odoo
from tests.recipes.simulated.zendesk import Zendesk

RECORD = "/api/v2/calls"
TICKETS = "/api/v2/channels/voice/tickets"
CALL = {
    "app_id": zendesk.APP_ID,
    "from_line": "+40721000001",
    "to_line": "101",
    "direction": "inbound",
    "call_started_at": "2026-03-01T10:00:00Z",
    "call_ended_at": "2026-03-01T10:00:42Z",
    "agent_id": zendesk.AGENTS["101"],
}
TICKET = {"via_id": 45, "subject": "Call", "description": "Call from Ana"}
LOG = {
    "id": "c1",
    "type": "Incoming",
    "from": "+40721000001",
    "to": "101",
    "status": "Completed",
    "start_time": "2026-03-01 10:00:00",
    "receiver": frappe.USERS["101"],
}
CRM, ERPNEXT = "/api/resource/CRM%20Call%20Log", "/api/resource/Call%20Log"
TOKEN = f"token {frappe.KEY}:{frappe.SECRET}"
PHONE_CALL = {
    "name": "Call with +40721000001",
    "direction": "in",
    "state": "done",
    "date": "2026-03-01 10:00:00",
    "duration": 0.7,
    "user_id": odoo.USERS["101"],
}
CREATE = "/json/2/crm.phonecall/create"
ODOO_HEADERS = {"Authorization": f"Bearer {odoo.KEY}", "X_Odoo_Database": odoo.DATABASE}


def basic(username: str, password: str) -> dict[str, str]:
    """Return the header of HTTP Basic authentication."""
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


ADMIN = basic(f"{zendesk.EMAIL}/token", zendesk.TOKEN)


def test_zendesk_needs_the_token_of_the_admin() -> None:
    """The e-mail address without `/token` belongs to a password; other paths are not found."""
    found = Zendesk()
    assert post(found, RECORD, CALL, **ADMIN).status == 201
    assert post(found, f"{RECORD}.json", CALL, **ADMIN).status == 201
    assert post(found, RECORD, CALL).status == 401
    assert post(found, RECORD, CALL, **basic(zendesk.EMAIL, zendesk.TOKEN)).status == 401
    assert post(found, RECORD, CALL, **basic(f"{zendesk.EMAIL}/token", "x")).status == 401
    assert post(found, "/api/v2/tickets", CALL, **ADMIN).status == 404
    assert post(found, RECORD, "from_line=1", **ADMIN).status == 400


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in zendesk.MANDATORY),
        {"from_line": ""},
        {"from_line": 101},
        {"app_id": str(zendesk.APP_ID)},
        {"app_id": 5},
        {"direction": "in"},
        {"call_started_at": "2026-03-01 10:00:00"},
        {"call_started_at": "yesterday"},
        {"call_ended_at": "2026-03-01T09:00:00Z"},
        {"agent_id": 5},
        {"agent_id": "1269"},
    ],
)
def test_zendesk_refuses_invalid_calls(change: dict[str, Any]) -> None:
    """Without a mandatory field, or with another type, direction, time, app or agent."""
    found = Zendesk()
    assert post(found, RECORD, {**CALL, **change}, **ADMIN).status == 422
    assert found.calls == []


def test_zendesk_refuses_invalid_tickets() -> None:
    """Those of calls have a `via_id`, and are shown to an agent, or to nobody."""
    found, agent = Zendesk(), zendesk.AGENTS["101"]
    assert (
        post(found, TICKETS, {"display_to_agent": agent, "ticket": TICKET}, **ADMIN).status == 201
    )
    assert post(found, TICKETS, {"ticket": TICKET}, **ADMIN).status == 201
    for body in (
        {"display_to_agent": 5, "ticket": TICKET},
        {"display_to_agent": agent},
        {"ticket": {**TICKET, "via_id": None}},
        {"ticket": {**TICKET, "via_id": 4}},
        {"ticket": {**TICKET, "description": ""}},
    ):
        assert post(found, TICKETS, body, **ADMIN).status == 422, body
    assert found.tickets == [(agent, TICKET), (None, TICKET)]


@pytest.mark.parametrize(
    ("path", "change", "authorization", "status", "kind"),
    [
        (CRM, {}, "token a:b", 401, "AuthenticationError"),
        (CRM, {}, f"Bearer {frappe.KEY}:{frappe.SECRET}", 401, "AuthenticationError"),
        (CRM, {}, "", 403, "PermissionError"),
        ("/api/resource/Lead", {}, TOKEN, 404, "DoesNotExistError"),
        ("/api/method/CRM%20Call%20Log", {}, TOKEN, 404, "DoesNotExistError"),
        (CRM, {}, TOKEN, 409, "DuplicateEntryError"),
        (CRM, {"from": ""}, TOKEN, 417, "MandatoryError"),
        (CRM, {"status": None}, TOKEN, 417, "MandatoryError"),
        (CRM, {"status": "ANSWER"}, TOKEN, 417, "ValidationError"),
        (CRM, {"type": "IN"}, TOKEN, 417, "ValidationError"),
        (CRM, {"telephony_medium": "Phone"}, TOKEN, 417, "ValidationError"),
        (ERPNEXT, {"status": "Initiated"}, TOKEN, 417, "ValidationError"),
        (CRM, {"receiver": "101"}, TOKEN, 417, "LinkValidationError"),
        (CRM, {"duration": "42s"}, TOKEN, 417, "ValidationError"),
        (CRM, {"from": "1" * 141}, TOKEN, 417, "CharacterLengthExceededError"),
        (CRM, {"start_time": "2026-03-01T10:00:00Z"}, TOKEN, 500, "DataError"),
    ],
)
def test_frappe_refuses_invalid_call_logs(
    path: str, change: dict[str, Any], authorization: str, status: int, kind: str
) -> None:
    """With the name of its exception; ERPNext has other statuses, and needs less."""
    found = Frappe()
    assert post(found, CRM, LOG, Authorization=TOKEN).status == 200
    assert post(found, ERPNEXT, {"id": "c2", "type": "Outgoing"}, Authorization=TOKEN).status == 200
    reply = post(found, path, {**LOG, **change}, Authorization=authorization)
    assert (reply.status, json.loads(reply.body)["exc_type"]) == (status, kind)
    assert list(found.logs) == ["c1", "c2"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (CREATE, {"Authorization": "Bearer wrong"}, 401),
        (CREATE, {"Authorization": odoo.KEY}, 401),
        (CREATE, {"X_Odoo_Database": "other"}, 404),
        (CREATE, {"Content_Type": "text/plain"}, 415),
        ("/json/2/crm.call/create", {}, 404),
        ("/json/2/crm.phonecall/insert", {}, 404),
        ("/jsonrpc", {}, 404),
    ],
)
def test_odoo_refuses_other_keys_databases_and_models(
    path: str, headers: dict[str, str], status: int
) -> None:
    """The scheme may be spelled `bearer`; records are made by `create`."""
    found, body = Odoo(), {"vals_list": [PHONE_CALL]}
    spelled = {**ODOO_HEADERS, "Authorization": f"bearer {odoo.KEY}"}
    assert json.loads(post(found, CREATE, body, **spelled).body) == [1]
    assert post(found, path, body, **{**ODOO_HEADERS, **headers}).status == status
    assert found.records["crm.phonecall"] == [PHONE_CALL]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([PHONE_CALL], 400),
        (PHONE_CALL, 422),
        ({"vals_list": [PHONE_CALL], "ids": [1]}, 422),
        ({"vals_list": [{**PHONE_CALL, "name": ""}]}, 422),
        ({"vals_list": [{**PHONE_CALL, "user_id": 5}]}, 422),
        ({"vals_list": [{**PHONE_CALL, "user_id": "7"}]}, 500),
        ({"vals_list": [{**PHONE_CALL, "phone": "1"}]}, 500),
        ({"vals_list": [{**PHONE_CALL, "direction": "IN"}]}, 500),
        ({"vals_list": [{**PHONE_CALL, "state": "answered"}]}, 500),
        ({"vals_list": [{**PHONE_CALL, "date": "2026-03-01T10:00:00Z"}]}, 500),
        ({"vals_list": ["call"]}, 500),
    ],
)
def test_odoo_refuses_invalid_records(body: Any, status: int) -> None:
    """With 422 for what it checks, and 500 for values that a field does not take."""
    found = Odoo()
    reply = post(found, CREATE, body, **ODOO_HEADERS)
    assert reply.status == status
    assert json.loads(reply.body).keys() >= {"name", "message", "arguments", "context"}
    assert found.records["crm.phonecall"] == []
