"""Every operation with each role, and with tokens that are limited to a PBX."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from callevents.api.v1.operations import REGISTRY, Operation
from callevents.api_access.scopes import INSTALLATION_SCOPES, V1_SCOPES
from callevents.config.settings import Settings
from callevents.db.models import Extension, Pbx
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.pbxs import extensions, pbxs
from tests.api.v1.conftest import Api, MakeApi, owner_of
from tests.api.v1.document_check import check_documented
from tests.api.v1.route_access import MAY, OK, REFUSED, ROUTES, UNKNOWN, WHO
from tests.api.v1.seeded import Seeded, list_users, seed
from tests.support.receiver import Receiver

pytestmark = pytest.mark.slow

LIMITED_SCOPES = [scope for scope in V1_SCOPES if scope not in INSTALLATION_SCOPES]
#: Changes with another version: those that are allowed change nothing, so tokens can take turns.
ANOTHER = {"If-Match": '"another"'}
CONDITIONAL = {"PATCH", "PUT", "DELETE"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let a test make many requests."""
    return settings.model_copy(update={"api_requests_per_minute": 1_000_000})


def here() -> Pbx:
    return pbxs.get_pbx("head-office")


def elsewhere() -> Pbx:
    return pbxs.get_pbx("branch")


def own() -> Extension | None:
    return extensions.get_extension_by_number(here(), "101")


@pytest.fixture
def seeded(app: Flask, receiver: Receiver) -> Seeded:
    """An installation with two PBXs."""
    receiver.reply = list_users
    return seed(receiver.url)


@pytest.fixture
def tokens(api: MakeApi, seeded: Seeded) -> dict[str, Callable[[], Api]]:
    """Makes the token of each row of the table."""

    def make_nobody() -> Api:
        nobody = api(Role.VIEWER)
        begin_write()
        owner_of(nobody).grants = []
        db.session.commit()
        return nobody

    return {
        "admin": lambda: api(Role.ADMIN),
        "operator": lambda: api(Role.OPERATOR),
        "viewer": lambda: api(Role.VIEWER),
        "admin-here": lambda: api(Role.ADMIN, pbx=here()),
        "operator-here": lambda: api(Role.OPERATOR, pbx=here()),
        "viewer-here": lambda: api(Role.VIEWER, pbx=here()),
        "owner": lambda: api(Role.SELF_SERVICE, pbx=here(), extension=own()),
        "admin-elsewhere": lambda: api(Role.ADMIN, pbx=elsewhere()),
        "nobody": make_nobody,
        "limited-here": lambda: api(Role.ADMIN, LIMITED_SCOPES, limited_to=here()),
        "limited-elsewhere": lambda: api(Role.ADMIN, LIMITED_SCOPES, limited_to=elsewhere()),
    }


def find_result(answer: TestResponse) -> str:
    """Return what the answer says of the right, in words of the table."""
    if answer.status_code == 403:
        return REFUSED
    if answer.status_code == 404:
        return UNKNOWN
    if answer.status_code == 400:
        # What the body names may not be seen.
        [error] = answer.get_json()["errors"]
        assert error["pointer"] in {"#/pbx", "#/where/pbx"}, answer.text
        return UNKNOWN
    # A conflict is one with the state that the token before has left.
    assert answer.status_code in {200, 201, 204, 409, 412}, answer.text
    return OK


def expect(who: str, one: Operation) -> str:
    """Return what the table says."""
    if who.startswith("limited") and one.scope in INSTALLATION_SCOPES:
        return REFUSED
    return MAY[ROUTES[one.id]][who]


def test_every_operation_is_listed() -> None:
    """A new operation must say here what it needs."""
    assert set(ROUTES) == {one.id for one in REGISTRY.operations}
    assert all(tuple(row) == WHO for row in MAY.values())


@pytest.mark.parametrize("who", WHO)
def test_every_operation(seeded: Seeded, tokens: dict[str, Callable[[], Api]], who: str) -> None:
    """Each token gets what the table says, and answers are as documented."""
    api = tokens[who]()
    for one in REGISTRY.operations:
        answer = api.send(
            one.method,
            seeded.path(one),
            json=seeded.body(one),
            headers=ANOTHER if one.method in CONDITIONAL else {},
        )
        assert find_result(answer) == expect(who, one), f"{one.id}: {answer.text}"
        check_documented(one, answer)


@pytest.mark.parametrize("who", WHO)
def test_lists_have_what_may_be_seen(
    seeded: Seeded, tokens: dict[str, Callable[[], Api]], who: str
) -> None:
    """What is in a list of a PBX's objects can be read one by one, and nothing else."""
    api = tokens[who]()
    for path, key, reading in (
        ("/pbxs", "slug", "getPbx"),
        ("/extensions", "id", "getExtension"),
        ("/hooks", "event_id", "getHook"),
        ("/deliveries", "id", "getDelivery"),
        ("/events", "id", "getEvent"),
    ):
        one = next(found for found in REGISTRY.operations if found.id == reading)
        listed = {found[key] for found in api.get(path).get_json()["data"]}
        shown = api.send("GET", seeded.path(one)).status_code == 200
        own_value = seeded.path(one).rpartition("/")[2]
        assert (own_value in listed) == shown, path
        for value in listed:
            assert api.get(f"{path}/{value}").status_code == 200
