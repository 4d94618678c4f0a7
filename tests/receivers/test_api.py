"""/api/v1/receivers and /api/v1/recipes."""

from typing import Any

import pytest
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Hook, Pbx
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.delivery.request.receiver import read_receiver
from callevents.enums import Role
from callevents.extensions import cipher, db
from callevents.hooks.suspension import WAITS_FOR_RECEIVER
from callevents.pbxs.extensions import get_extension_by_number
from callevents.receivers.receivers import get_receiver
from tests.api.v1.conftest import Api, MakeApi, api, check_problem
from tests.conftest import Configure
from tests.receivers.conftest import TOKEN, AddReceiver
from tests.receivers.test_connect import connect_all

__all__ = ["api"]

BY_RECIPE: dict[str, Any] = {
    "name": "Our CRM",
    "recipe": "example-crm",
    "values": [
        {"name": "url", "value": "https://crm.example.com"},
        {"name": "token", "value": TOKEN},
    ],
}
PLAIN: dict[str, Any] = {
    "name": "Plain",
    "address": "https://crm.example.com/api",
    "values": [
        {"name": "team", "value": "sales"},
        {"name": "key", "value": "geheim", "is_secret": True},
    ],
    "authentication": {"kind": "basic", "username": "anna", "password": "geheim"},
    "max_per_second": 2,
}


@pytest.fixture
def admin(api: MakeApi) -> Api:
    """A program of an admin."""
    return api()


def test_by_a_recipe(admin: Api) -> None:
    """The answers are values; no secret is returned."""
    answer = admin.post("/receivers", BY_RECIPE)
    assert answer.status_code == 201, answer.text
    made = answer.get_json()
    assert (made["receiver"], made["recipe"]) == ("our-crm", "example-crm")
    assert made["values"] == [
        {"name": "url", "value": "https://crm.example.com", "is_secret": False},
        {"name": "team", "value": "sales", "is_secret": False},
        {"name": "token", "value": None, "is_secret": True},
    ]
    assert made["authentication"]["kind"] == "bearer"
    assert TOKEN not in answer.text
    assert admin.get("/receivers/our-crm").get_json() == made


def test_without_a_recipe(admin: Api) -> None:
    """Address, values and authentication; a change keeps what it leaves out."""
    made = admin.post("/receivers", PLAIN).get_json()
    assert (made["authentication"]["username"], made["max_per_second"]) == ("anna", 2.0)
    tag = admin.get("/receivers/plain").headers["ETag"]
    answer = admin.patch("/receivers/plain", {"max_per_second": None, "name": "Other"})
    assert (answer.status_code, answer.get_json()["max_per_second"]) == (200, None)
    stale = admin.patch("/receivers/plain", {"name": "x"}, headers={"If-Match": tag})
    check_problem(stale, ProblemType.PRECONDITION_FAILED)
    values = [{"name": "team", "value": "support"}, {"name": "key", "is_secret": True}]
    answer = admin.patch("/receivers/plain", {"values": values})
    assert [one["value"] for one in answer.get_json()["values"]] == ["support", None]
    answer = admin.patch("/receivers/plain", {"values": values[:1]})
    assert [one["name"] for one in answer.get_json()["values"]] == ["team"]
    before = admin.get("/receivers/plain").headers["ETag"]
    authentication = {"kind": "basic", "password": "another"}
    answer = admin.patch("/receivers/plain", {"authentication": authentication})
    assert answer.get_json()["authentication"]["username"] == "anna"
    assert answer.headers["ETag"] != before


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"address": "https://evil.example"}, "#/authentication/password"),
        ({"address": "https://{receiver.team}/"}, "#/address"),
        ({"values": [{"name": "team"}, {"name": "team"}]}, "#/values"),
        ({"values": [{"name": "Bad Name", "value": "x"}]}, "#/values"),
        ({"values": [{"name": "unknown"}]}, "#/values"),
        (
            {"values": [{"name": "team", "value": "https://x/?token=\u2022\u2022\u2022\u2022"}]},
            "#/values",
        ),
        ({"authentication": {"kind": "bearer"}}, "#/authentication/token"),
        ({"authentication": {"kind": "none", "token": "x"}}, "#/authentication/token"),
        ({"client_certificate": "x"}, "#/client_key"),
        ({"max_in_flight": 0}, "#/max_in_flight"),
        ({"name": ""}, "#/name"),
    ],
)
def test_invalid_changes(admin: Api, changes: dict[str, Any], pointer: str) -> None:
    """The error points to the value, and nothing is changed."""
    before = admin.post("/receivers", PLAIN).get_json()
    answer = admin.patch("/receivers/plain", changes)
    document = check_problem(answer, ProblemType.INVALID_REQUEST)
    assert pointer in [one["pointer"] for one in document["errors"]]
    assert "geheim" not in answer.text
    assert admin.get("/receivers/plain").get_json() == before


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"recipe": "nothing"}, "#/recipe"),
        ({"values": BY_RECIPE["values"][:1]}, "#/values"),
        ({"address": "https://crm.example.com"}, "#/address"),
        ({"authentication": {"kind": "none"}}, "#/authentication"),
        ({"pbx": "nothing"}, "#/pbx"),
        ({"recipe": None}, "#/address"),
    ],
)
def test_invalid_receivers(admin: Api, values: dict[str, Any], pointer: str) -> None:
    """The error points to the value."""
    check_problem(
        admin.post("/receivers", BY_RECIPE | values), ProblemType.INVALID_REQUEST, pointer
    )


def test_extensions_are_connected(
    admin: Api, add_receiver: AddReceiver, configure: Configure, pbx: Pbx
) -> None:
    """Twice changes nothing; a receiver with hooks is not removed."""
    add_receiver()
    configure.extension("101")
    choice = {"pbx": "head-office", "extensions": ["101"]}
    made = admin.post("/receivers/our-crm/connect", choice).get_json()
    assert [(one["extension"], one["request"]) for one in made["created"]] == [
        ("101", "pop"),
        ("101", "log"),
    ]
    again = admin.post("/receivers/our-crm/connect", choice).get_json()
    assert (again["created"], len(again["kept"]), again["change_id"]) == ([], 2, None)
    check_problem(
        admin.post("/receivers/our-crm/connect", choice | {"extensions": None}),
        ProblemType.CONFLICT,
    )
    for more, pointer in (
        ({"extensions": ["9"]}, "#/extensions"),
        ({"requests": ["x"]}, "#/requests"),
    ):
        check_problem(
            admin.post("/receivers/our-crm/connect", choice | more),
            ProblemType.INVALID_REQUEST,
            pointer,
        )
    state = admin.get("/receivers/our-crm/state").get_json()
    assert (state["health"], state["hooks"], state["last_delivery_id"]) == ("unused", 2, None)
    check_problem(admin.delete("/receivers/our-crm"), ProblemType.CONFLICT)
    answer = admin.post("/receivers/our-crm/disconnect", choice | {"extensions": None})
    assert (answer.status_code, bool(answer.headers["Removal-ID"])) == (204, True)
    assert admin.delete("/receivers/our-crm").status_code == 204


def test_connecting_is_undone(
    admin: Api, add_receiver: AddReceiver, configure: Configure, pbx: Pbx
) -> None:
    """The ID in the answer removes what was created, and nothing else."""
    add_receiver()
    choice = {"pbx": "head-office", "extensions": ["101"]}
    for number in ("101", "102"):
        configure.extension(number)
    kept = admin.post("/receivers/our-crm/connect", choice).get_json()
    made = admin.post("/receivers/our-crm/connect", choice | {"extensions": ["101", "102"]})
    undo = f"/hooks/bulk/{made.get_json()['change_id']}/undo"
    assert admin.post(undo).get_json() == {"undone": 2, "left_out": 0, "refused": 0}
    left = db.session.scalars(select(Hook.event_id)).all()
    assert set(left) == {hook["event_id"] for hook in kept["created"]}
    check_problem(admin.post(undo), ProblemType.CONFLICT)


def test_owners_connect_their_extension(
    api: MakeApi, add_receiver: AddReceiver, configure: Configure, pbx: Pbx
) -> None:
    """The owner of an extension uses the receiver for it, and sees no secret; not for others."""
    add_receiver()
    for number in ("101", "102"):
        configure.extension(number)
    owner = api(Role.SELF_SERVICE, pbx=pbx, extension=get_extension_by_number(pbx, "101"))
    path = "/receivers/our-crm/connect"
    assert owner.post(path, {"pbx": "head-office", "extensions": ["101"]}).status_code == 200
    for extensions in (["102"], ["101", "102"]):
        answer = owner.post(path, {"pbx": "head-office", "extensions": extensions})
        check_problem(answer, ProblemType.INVALID_REQUEST, "#/extensions")
    answer = owner.post(path, {"pbx": "head-office", "extensions": None})
    check_problem(answer, ProblemType.FORBIDDEN)
    assert len(db.session.scalars(select(Hook)).all()) == 2


def test_the_user_map(admin: Api, add_receiver: AddReceiver, pbx: Pbx) -> None:
    """It is replaced as a whole."""
    add_receiver()
    path = "/receivers/our-crm/users/head-office"
    users = [{"extension": "101", "user": "anna"}, {"extension": "102", "user": "7"}]
    assert admin.put(path, {"users": users}).get_json() == {"users": users}
    assert admin.get(path).get_json() == {"users": users}
    twice = [users[0], users[0]]
    check_problem(admin.put(path, {"users": twice}), ProblemType.INVALID_REQUEST, "#/users")
    assert admin.put(path, {"users": []}).get_json() == {"users": []}


def test_masked_values_stand_for_the_stored_ones(admin: Api) -> None:
    """What a program reads, it may send back."""
    url = "https://crm.example.com/?token=geheim-token"
    admin.post("/receivers", PLAIN | {"values": [{"name": "hook", "value": url}]})
    [shown] = admin.get("/receivers/plain").get_json()["values"]
    assert shown["value"] == "https://crm.example.com/?token=\u2022\u2022\u2022\u2022"
    answer = admin.patch(
        "/receivers/plain", {"values": [{"name": "hook", "value": shown["value"]}]}
    )
    assert answer.status_code == 200, answer.text
    stored = read_receiver(get_receiver("plain"), cipher.bound).values
    assert stored == {"hook": url}


def test_recipes(admin: Api) -> None:
    """They are listed and shown, with own ones."""
    found = admin.get("/recipes/example-crm").get_json()
    assert [one["kind"] for one in found["questions"]] == ["address", "text", "secret"]
    assert [one["per"] for one in found["requests"]] == ["extension", "call", "extension"]
    listed = admin.get("/recipes", query_string={"limit": 200}).get_json()["data"]
    assert found in listed
    check_problem(admin.get("/recipes/nothing"), ProblemType.NOT_FOUND)


def test_secrets_do_not_leak(admin: Api, app: object) -> None:
    """Not in the list, not in the history."""
    admin.post("/receivers", PLAIN)
    listed = admin.get("/receivers")
    history = admin.get("/audit")
    for answer in (listed, history):
        assert (answer.status_code, "Plain" in answer.text) == (200, True)
        assert "geheim" not in answer.text


def test_a_secret_that_was_left_out_of_an_import(
    admin: Api, add_receiver: AddReceiver, pbx: Pbx
) -> None:
    """The state names it, resuming and testing are refused, and sending it resumes the hooks."""
    hooks = connect_all(add_receiver(token=NOT_IMPORTED), pbx).created
    event_id = hooks[0].event_id
    for hook in hooks:
        hook.suspended_at, hook.suspended_reason = hook.created_at, WAITS_FOR_RECEIVER
    db.session.commit()
    state = admin.get("/receivers/our-crm/state").get_json()
    assert (state["health"], state["missing_secrets"]) == ("needs-secret", ["values/token"])
    choice = {"pbx": "head-office"}
    for answer in (
        admin.post(f"/hooks/{event_id}/resume"),
        admin.post("/receivers/our-crm/test", choice),
    ):
        problem = check_problem(answer, ProblemType.CONFLICT)
        assert "Our CRM was imported without a secret" in problem["detail"]
    values = {"values": [{"name": "token", "value": TOKEN}]}
    assert admin.patch("/receivers/our-crm", values).status_code == 200
    state = admin.get("/receivers/our-crm/state").get_json()
    assert (state["health"], state["missing_secrets"]) == ("unused", [])
    assert (state["suspended_hooks"], state["active_hooks"]) == (0, 2)
