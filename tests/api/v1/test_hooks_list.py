"""Tests of the list of hooks: filters, pages, and what each role sees."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Extension, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType, Role
from callevents.extensions import db
from callevents.hooks import hooks
from tests.api.v1.conftest import Api, MakeApi, check_problem

AddHook = Callable[..., str]


@pytest.fixture
def add() -> AddHook:
    """Adds a hook; returns its Event ID."""

    def add(
        pbx: Pbx,
        extension: Extension | None = None,
        event: EventType = EventType.DIAL_IN,
        url: str = "https://crm.example.com/",
        *,
        active: bool = True,
        suspended: bool = False,
    ) -> str:
        begin_write()
        hook = hooks.create_hook(pbx, extension, event, hooks.HookData(url, active=active))
        hook.suspended_at = utc_now() if suspended else None
        db.session.commit()
        return hook.event_id

    return add


def listed(api: Api, query: str = "") -> list[str]:
    """Return the Event IDs in the list."""
    answer = api.get(f"/hooks{query}")
    assert answer.status_code == 200, answer.text
    return [hook["event_id"] for hook in answer.get_json()["data"]]


def test_filters(
    admin: Api,
    add: AddHook,
    pbx: Pbx,
    other_pbx: Pbx,
    extension: Extension,
    other_extension: Extension,
) -> None:
    """Each filter chooses hooks, several choose those that match all; newest first."""
    for_all = add(pbx)
    own = add(pbx, extension, EventType.HANGUP, "https://crm.example.com:443/a")
    disabled = add(pbx, other_extension, url="http://crm.example.com/", active=False)
    suspended = add(other_pbx, suspended=True)
    expected: dict[str, list[str]] = {
        "": [suspended, disabled, own, for_all],
        "?pbx=head-office": [disabled, own, for_all],
        "?pbx=branch": [suspended],
        "?pbx=head-office&extension=101": [own],
        "?pbx=head-office&extension=*": [for_all],
        "?extension=*": [suspended, for_all],
        "?event=hangup": [own],
        "?event=answer-in": [],
        "?active=true": [suspended, own, for_all],
        "?active=false": [disabled],
        "?suspended=true": [suspended],
        "?suspended=false": [disabled, own, for_all],
        "?origin=https://CRM.example.com/any": [suspended, own, for_all],
        "?origin=http://crm.example.com": [disabled],
        "?origin=https://nobody.example": [],
        "?pbx=head-office&active=true&event=dial-in": [for_all],
    }
    assert {query: listed(admin, query) for query in expected} == expected


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("?pbx=nowhere", ["?pbx"]),
        ("?pbx=", ["?pbx"]),
        ("?pbx=head-office&extension=999", ["?extension"]),
        ("?extension=101", ["?extension"]),
        ("?event=0", ["?event"]),
        ("?active=yes", ["?active"]),
        ("?suspended=1", ["?suspended"]),
        ("?origin=crm", ["?origin"]),
        ("?limit=0", ["?limit"]),
        ("?limit=201", ["?limit"]),
        ("?pbx=a&pbx=b", ["?pbx"]),
    ],
)
def test_invalid_filters(admin: Api, pbx: Pbx, query: str, pointers: list[str]) -> None:
    """A filter that cannot match by mistake is an error about the parameter."""
    check_problem(admin.get(f"/hooks{query}"), ProblemType.INVALID_REQUEST, *pointers)


def test_pages_without_gaps_or_repeats(admin: Api, add: AddHook, pbx: Pbx) -> None:
    """All hooks come once, newest first, although others are added meanwhile."""
    made = [add(pbx, event=EventType(number % 5)) for number in range(10)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = admin.get("/hooks", query_string=query).get_json()
        found += [hook["event_id"] for hook in page["data"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
        add(pbx, event=EventType.HANGUP)
    assert found == made[::-1]


def test_a_cursor_of_another_filter(admin: Api, add: AddHook, pbx: Pbx) -> None:
    """A cursor is bound to the filter."""
    for _ in range(2):
        add(pbx)
    cursor = admin.get("/hooks?limit=1").get_json()["next_cursor"]
    assert admin.get(f"/hooks?limit=2&cursor={cursor}").status_code == 200
    for query in (f"?active=true&cursor={cursor}", "?cursor=bm90aGluZw==", "?cursor=x"):
        check_problem(admin.get(f"/hooks{query}"), ProblemType.INVALID_CURSOR)


def test_secrets_in_urls_are_masked(admin: Api, add: AddHook, pbx: Pbx) -> None:
    """No list contains a secret, and listing records nothing."""
    add(pbx, url="https://crm.example.com/?token=s3cret-1234")
    answer = admin.get("/hooks")
    assert "s3cret" not in answer.text
    assert "token=" in answer.text


def test_each_sees_what_is_theirs(
    api: MakeApi,
    add: AddHook,
    pbx: Pbx,
    other_pbx: Pbx,
    extension: Extension,
    other_extension: Extension,
) -> None:
    """Lists have what the role and the limit of the token reach, and no more."""
    for_all = add(pbx)
    own = add(pbx, extension)
    others = add(pbx, other_extension)
    branch = add(other_pbx)
    assert listed(api()) == [branch, others, own, for_all]
    assert listed(api(Role.VIEWER)) == [branch, others, own, for_all]
    assert listed(api(Role.ADMIN, pbx=pbx)) == [others, own, for_all]
    assert listed(api(Role.OPERATOR, pbx=other_pbx)) == [branch]
    assert listed(api(limited_to=other_pbx)) == [branch]
    assert listed(api(Role.OPERATOR, pbx=pbx, limited_to=other_pbx)) == []
    assert listed(api(Role.SELF_SERVICE, pbx=pbx, extension=extension)) == [own]


def test_filters_tell_nothing_of_others(
    api: MakeApi,
    add: AddHook,
    pbx: Pbx,
    other_pbx: Pbx,
    extension: Extension,
    other_extension: Extension,
) -> None:
    """What may not be seen is named by the same error as what does not exist."""
    mine = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    own = add(pbx, extension)
    add(pbx)
    for query, unknown in (
        ("?pbx=branch", "?pbx=nowhere"),
        ("?pbx=head-office&extension=102", "?pbx=head-office&extension=999"),
    ):
        answers = [mine.get(f"/hooks{one}").get_json() for one in (query, unknown)]
        for answer in answers:
            del answer["request_id"]
        assert answers[0] == answers[1]
        assert answers[0]["status"] == 400
    assert listed(mine, "?pbx=head-office&extension=101") == [own]
    assert listed(mine, "?pbx=head-office&extension=*") == []


def test_hooks_of_a_pbx_that_is_being_removed(admin: Api, add: AddHook, pbx: Pbx) -> None:
    """They are not there any more."""
    event_id = add(pbx)
    begin_write()
    pbx.removing_at = utc_now()
    db.session.commit()
    assert listed(admin) == []
    check_problem(admin.get(f"/hooks/{event_id}"), ProblemType.NOT_FOUND)
    check_problem(admin.get("/hooks?pbx=head-office"), ProblemType.INVALID_REQUEST, "?pbx")
    values = {
        "pbx": "head-office",
        "extension": None,
        "event": "hangup",
        "url": "https://a.example",
    }
    check_problem(admin.post("/hooks", values), ProblemType.INVALID_REQUEST, "#/pbx")
    assert len(db.session.scalars(select(Hook)).all()) == 1
