"""Templates, value maps, conditions, scope, kept answers and other schemes of hooks in the API."""

from typing import Any

import pytest
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.request.load import read_template
from callevents.enums import AuthKind, BodyFormat, MissingAnswer
from callevents.extensions import cipher, db
from callevents.hooks.options import Answers, read_options
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import create_receiver
from tests.api.v1.conftest import Api, check_problem, last_entry
from tests.support.stored_receiver import give_receiver

BARE = {"pbx": "head-office", "extension": None, "event": "hangup", "url": "https://a.example/x"}
TEMPLATE = {
    "method": "POST",
    "body_format": "template",
    "content_type": "application/json",
    "body_template": '{"from": "{CallerIDNum}"}',
}
CONDITIONS = {"directions": ["in"], "hours": {"days": [1], "start": "9:00", "end": "17:00"}}


def add(api: Api, **values: Any) -> str:
    """Add a hook; return its Event ID."""
    answer = api.post("/hooks", BARE | values)
    assert answer.status_code == 201, answer.text
    event_id: str = answer.get_json()["event_id"]
    return event_id


def stored(event_id: str) -> Hook:
    """Return the hook as it is stored."""
    db.session.rollback()
    return db.session.scalars(select(Hook).where(Hook.event_id == event_id)).one()


def test_a_part_is_changed_and_all_else_kept(admin: Api, pbx: Pbx) -> None:
    """The content type changes without the template, a map without the conditions."""
    event_id = add(admin, **TEMPLATE, value_maps={"a": {"IN": "in"}}, conditions={"queues": ["q"]})
    admin.patch(f"/hooks/{event_id}", {"content_type": "application/vnd.a+json"})
    admin.patch(f"/hooks/{event_id}", {"value_maps": {"b": {"OUT": "out"}}})
    options = read_options(stored(event_id))
    assert options.body_format is BodyFormat.TEMPLATE
    assert options.body_template.content_type == "application/vnd.a+json"
    assert options.body_template.text == TEMPLATE["body_template"]
    assert options.value_maps == {"b": {"OUT": "out"}}
    assert options.conditions.queues == ("q",)
    assert last_entry().after == {"value_maps": "b: OUT = out"}
    admin.patch(f"/hooks/{event_id}", {"body_template": None, "body_format": None})
    admin.patch(f"/hooks/{event_id}", {"conditions": None, "value_maps": None})
    options = read_options(stored(event_id))
    assert (options.body_template.text, options.value_maps) == ("", {})
    assert not options.conditions


def test_another_scheme(admin: Api, pbx: Pbx) -> None:
    """Scheme and token are stored, kept with the kind alone, and never shown."""
    given = {"kind": "scheme", "scheme": "Zoho-oauthtoken", "token": "1000.s3cret"}
    event_id = add(admin, authentication=given)
    shown = admin.get(f"/hooks/{event_id}").get_json()
    assert shown["authentication"] == {"kind": "scheme"}
    again = admin.patch(f"/hooks/{event_id}", {"authentication": {"kind": "scheme"}})
    assert again.status_code == 200
    template = read_template(stored(event_id), cipher.bound)
    assert (template.auth, template.username, template.secret) == (
        *(AuthKind.SCHEME, "Zoho-oauthtoken", "1000.s3cret"),
    )


def test_answers_and_authentication_of_a_receiver(admin: Api, pbx: Pbx) -> None:
    """A hook of a receiver keeps values of answers and takes its authentication; others do not."""
    event_id = add(admin)
    wanted = {"answers": {"CALL_ID": "/result/CALL_ID"}, "missing_answer": "omit"}
    wanted["authentication"] = {"kind": "receiver"}
    refused = admin.patch(f"/hooks/{event_id}", wanted)
    check_problem(refused, ProblemType.INVALID_REQUEST, "#/answers", "#/authentication")
    give_receiver(stored(event_id))
    assert admin.patch(f"/hooks/{event_id}", wanted).status_code == 200
    options = read_options(stored(event_id))
    assert options.answers == Answers({"CALL_ID": "/result/CALL_ID"}, MissingAnswer.OMIT)
    assert options.credentials.kind is AuthKind.RECEIVER
    assert stored(event_id).auth_secret == ""


def add_receiver(slug: str, address: str, pbx: Pbx | None = None) -> None:
    """Add a receiver with the value `team`."""
    begin_write()
    pbx_id = pbx.id if pbx else None
    create_receiver(ReceiverData(slug, address, pbx_id=pbx_id, values={"team": "sales"}), slug)
    db.session.commit()


def test_a_hook_is_added_to_a_receiver(admin: Api, pbx: Pbx, other_pbx: Pbx) -> None:
    """It stays with it until another is sent, or null; the list is filtered by it."""
    add_receiver("crm", "https://a.example")
    add_receiver("desk", "https://desk.example")
    add_receiver("foreign", "https://a.example", other_pbx)
    plain = add(admin)
    url = "https://a.example/{receiver.team}/{Extension|user}"
    of_crm = {"receiver": "crm", "url": url, "authentication": {"kind": "receiver"}}
    event_id = add(admin, **of_crm)
    assert admin.get(f"/hooks/{event_id}").get_json()["receiver"] == "crm"
    assert admin.get(f"/hooks/{plain}").get_json()["receiver"] is None
    found = admin.get("/hooks?receiver=crm").get_json()["data"]
    assert [one["event_id"] for one in found] == [event_id]
    assert admin.patch(f"/hooks/{event_id}", {"note": "Calls"}).get_json()["receiver"] == "crm"
    for pointer, body in (
        ("#/receiver", {"receiver": "foreign"}),
        ("#/receiver", {"receiver": "nobody"}),
        ("#/url", {"receiver": "desk"}),
        ("#/url", {"url": "https://b.example/"}),
        ("#/authentication", {"receiver": None, "url": "https://a.example/x"}),
    ):
        refused = admin.patch(f"/hooks/{event_id}", body)
        check_problem(refused, ProblemType.INVALID_REQUEST, pointer)
    check_problem(admin.get("/hooks?receiver=nobody"), ProblemType.INVALID_REQUEST, "?receiver")
    moved = {"receiver": "desk", "url": "https://desk.example/"}
    assert admin.patch(f"/hooks/{event_id}", moved).get_json()["receiver"] == "desk"
    left = {"receiver": None, "authentication": None}
    assert admin.patch(f"/hooks/{event_id}", left).get_json()["receiver"] is None
    assert last_entry().before["receiver"] == "desk"


def test_a_hook_stays_what_the_recipe_says(admin: Api, pbx: Pbx) -> None:
    """Sending the receiver that it has already changes nothing of it."""
    event_id = add(admin)
    give_receiver(stored(event_id))
    begin_write()
    stored(event_id).recipe_request = "new-call"
    db.session.commit()
    assert admin.patch(f"/hooks/{event_id}", {"receiver": "crm"}).status_code == 200
    assert stored(event_id).recipe_request == "new-call"
    assert admin.patch(f"/hooks/{event_id}", {"receiver": None}).status_code == 200
    assert stored(event_id).recipe_request == ""


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({"scope": "never"}, ["#/scope"]),
        ({"body_template": "x" * 20_001}, ["#/body_template"]),
        ({"content_type": "x" * 101}, ["#/content_type"]),
        ({"value_maps": {"a b": {"x": "y"}}}, ["#/value_maps"]),
        ({"value_maps": {"a": {"x=": "y"}}}, ["#/value_maps"]),
        ({"value_maps": {"a": {"x": "line\nline"}}}, ["#/value_maps"]),
        ({"value_maps": {"a": {str(n): "" for n in range(201)}}}, ["#/value_maps"]),
        ({"value_maps": {"a": "b"}}, ["#/value_maps"]),
        ({"missing_answer": "wait"}, ["#/missing_answer"]),
        ({"conditions": {"party": "both"}}, ["#/conditions/party"]),
        ({"conditions": {"colour": "red"}}, ["#/conditions"]),
        ({"conditions": {"hours": {"days": [8]}}}, ["#/conditions/hours/days/0"]),
        ({"conditions": {"numbers": ["abc"]}}, ["#/conditions/numbers"]),
        ({"authentication": {"kind": "scheme", "token": "t"}}, ["#/authentication/scheme"]),
        (
            {"authentication": {"kind": "scheme", "scheme": "a b", "token": "ü"}},
            ["#/authentication/scheme", "#/authentication/token"],
        ),
        (
            {"authentication": {"kind": "bearer", "scheme": "a", "token": "t"}},
            ["#/authentication/scheme"],
        ),
    ],
)
def test_invalid_values(admin: Api, pbx: Pbx, values: dict[str, Any], pointers: list[str]) -> None:
    """Each invalid value is named by a pointer, and nothing is stored."""
    answer = admin.post("/hooks", BARE | values)
    assert answer.status_code == 400
    found = [one["pointer"] for one in answer.get_json()["errors"]]
    assert {pointer for pointer in pointers if not any(pointer in one for one in found)} == set()
    assert db.session.scalar(select(Hook.id)) is None


def test_errors_repeat_nothing(admin: Api, pbx: Pbx) -> None:
    """Names of maps and values are not in the answer."""
    for values in (
        {"value_maps": {"zebra zebra": {"a": "b"}}},
        {"value_maps": {"zebra": {"zebra=": "zebra"}}},
        {"conditions": {"numbers": ["zebra"]}},
        {"conditions": {"hours": {"days": [1], "start": "zebra", "end": "1", "zone": "zebra"}}},
        {"authentication": {"kind": "scheme", "scheme": "zebra zebra", "token": "zebra"}},
    ):
        answer = admin.post("/hooks", BARE | values)
        assert answer.status_code == 400
        assert "zebra" not in answer.text.lower()
