"""ETag, If-None-Match and If-Match."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Pbx
from callevents.extensions import db
from tests.api.v1.conftest import Api, check_problem
from tests.api.v1.things import add_things

PATH = "/things/head-office"


@pytest.fixture(autouse=True)
def _things(app: Flask, pbx: Pbx) -> None:
    add_things(app)


@pytest.fixture
def tag(admin: Api) -> str:
    """The entity tag of the thing."""
    return admin.get(PATH).headers["ETag"]


def rename(admin: Api, name: str, **headers: str) -> TestResponse:
    """Rename the thing."""
    named = {field.replace("_", "-"): value for field, value in headers.items()}
    return admin.patch(PATH, {"name": name}, headers=named)


def name() -> str:
    """Return the stored name."""
    db.session.rollback()
    return db.session.query(Pbx).filter_by(slug="head-office").one().name


def test_the_tag_is_strong_and_follows_the_object(admin: Api, tag: str) -> None:
    """It stays while nothing changes; a change answers with the new one."""
    assert tag.startswith('"')
    assert admin.get(PATH).headers["ETag"] == tag
    changed = rename(admin, "Elsewhere").headers["ETag"]
    assert changed != tag
    assert admin.get(PATH).headers["ETag"] == changed
    assert rename(admin, "Head office").headers["ETag"] == tag


@pytest.mark.parametrize("given", ["{tag}", "W/{tag}", '"x", {tag}', "*"])
def test_what_the_client_has(admin: Api, tag: str, given: str) -> None:
    """304 without a body, with the tag and the rate limit; weak tags compare equal here."""
    answer = admin.get(PATH, headers={"If-None-Match": given.format(tag=tag)})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == tag
    assert "RateLimit" in answer.headers
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("given", ['"x"', 'W/"x"', '""'])
def test_what_the_client_does_not_have(admin: Api, tag: str, given: str) -> None:
    """Another tag gets the object."""
    assert admin.get(PATH, headers={"If-None-Match": given}).status_code == 200


@pytest.mark.parametrize("given", ["{tag}", '"x", {tag}', "*"])
def test_a_change_of_this_version(admin: Api, tag: str, given: str) -> None:
    """It is made."""
    assert rename(admin, "Elsewhere", If_Match=given.format(tag=tag)).status_code == 200
    assert name() == "Elsewhere"


@pytest.mark.parametrize("given", ['"x"', "W/{tag}", '""'])
def test_a_change_of_another_version(admin: Api, tag: str, given: str) -> None:
    """It is refused, also with a weak tag, which never matches (RFC 9110, 13.1.1)."""
    answer = rename(admin, "Elsewhere", If_Match=given.format(tag=tag))
    check_problem(answer, ProblemType.PRECONDITION_FAILED)
    assert name() == "Head office"


@pytest.mark.parametrize("field", ["If_Match", "If_None_Match"])
@pytest.mark.parametrize("given", ["", ",", " , ", '"x', "x", '"x" "y"', '*, "x"'])
def test_conditions_that_cannot_be_read(admin: Api, field: str, given: str) -> None:
    """They are errors: passing them over would overwrite what they protect."""
    check_problem(rename(admin, "Elsewhere", **{field: given}), ProblemType.INVALID_REQUEST)
    assert name() == "Head office"


def test_a_change_without_a_condition(admin: Api) -> None:
    """It is made whatever the version is."""
    assert rename(admin, "Elsewhere").status_code == 200


def test_what_does_not_exist_yet(admin: Api) -> None:
    """If-Match requires that it exists, If-None-Match that it does not."""
    put = "/things/branch"
    for given in ("*", '"x"'):
        answer = admin.put(put, headers={"If-Match": given})
        check_problem(answer, ProblemType.PRECONDITION_FAILED)
    only_new = {"If-None-Match": "*"}
    assert admin.put(put, headers=only_new).status_code == 204
    answer = admin.put(put, headers=only_new)
    check_problem(answer, ProblemType.PRECONDITION_FAILED)
    assert admin.put(put).status_code == 204


def test_no_content(admin: Api) -> None:
    """204 has neither a body nor a media type."""
    answer = admin.put(PATH)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_two_writers_with_one_tag(admin: Api, tag: str) -> None:
    """At the same time, one is made and the other one refused."""
    for number in range(5):
        current = admin.get(PATH).headers["ETag"]
        start = Barrier(2)

        def write(own: str, current: str = current, start: Barrier = start) -> int:
            start.wait()
            return rename(admin, own, If_Match=current).status_code

        with ThreadPoolExecutor(2) as pool:
            names = [f"First {number}", f"Second {number}"]
            statuses = list(pool.map(write, names))
        assert sorted(statuses) == [200, 412]
        assert name() == names[statuses.index(200)]
