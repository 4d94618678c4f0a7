"""Sending again and cancelling deliveries by a filter, within the scope of the owner's rights."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import func, select, update

from callevents.api.v1 import delivery_actions
from callevents.api.v1.problems import ProblemType
from callevents.db.models import AuditEntry, Delivery, Extension, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.conftest import Configure
from tests.support.call_events import add_delivery

FAILED, PENDING, HELD = DeliveryState.FAILED, DeliveryState.PENDING, DeliveryState.HELD
ACTIONS = ("resend", "cancel")


@pytest.fixture
def hook(pbx: Pbx, configure: Configure) -> Hook:
    """A hook of the extension 101."""
    return configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/")


@pytest.fixture
def other_hook(pbx: Pbx, configure: Configure) -> Hook:
    """A hook of the extension 102."""
    return configure.hook("102", EventType.DIAL_IN, "https://cdr.example.net/")


@pytest.fixture
def log(pbx: Pbx, other_pbx: Pbx, hook: Hook, other_hook: Hook) -> None:
    """Deliveries: of each extension two failed ones and a pending one; one of another PBX."""
    for one in (hook, other_hook):
        number = one.extension.number if one.extension else ""
        for state in (FAILED, FAILED, PENDING):
            add_delivery(pbx, one, {"extension": number}, state=state)
    add_delivery(other_pbx, other_hook, state=FAILED)


def count_states(**columns: Any) -> dict[str, int]:
    """Return how many deliveries there are of each state."""
    db.session.rollback()
    counted = select(Delivery.state, func.count()).filter_by(**columns).group_by(Delivery.state)
    return {state.value: count for state, count in db.session.execute(counted)}


def post(caller: Api, action: str, **body: Any) -> dict[str, Any]:
    """Act on what matches; return the counts."""
    answer = caller.post(f"/deliveries/{action}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_send_again(admin: Api, log: None, redis: Redis, redis_url: str) -> None:
    """All that match are pending again; workers are woken; the history has the filter."""
    dry = post(admin, "resend", pbx="head-office", state="failed", dry_run=True)
    assert dry == {"dry_run": True, "matched": 4, "changed": 4, "skipped": [], "next_cursor": None}
    assert count_states() == {"failed": 5, "pending": 2}
    assert redis.llen("rq:queue:callevents") == 0
    done = post(admin, "resend", pbx="head-office", state="failed")
    assert done == {**dry, "dry_run": False}
    assert count_states() == {"failed": 1, "pending": 6}
    assert redis.llen("rq:queue:callevents") == 1
    entry = last_entry()
    assert entry.action == "delivery.sent_again"
    assert entry.after == {"count": 4, "filter": {"pbx": "head-office", "state": "failed"}}
    check_actor(entry, admin)


def test_cancel(admin: Api, pbx: Pbx, hook: Hook, log: None) -> None:
    """Only pending ones are cancelled; with the state `held`, those."""
    add_delivery(pbx, hook, state=HELD)
    assert post(admin, "cancel", hook=hook.event_id, dry_run=True)["changed"] == 1
    assert post(admin, "cancel", hook=hook.event_id)["changed"] == 1
    assert count_states() == {"failed": 5, "pending": 1, "held": 1, "cancelled": 1}
    assert post(admin, "cancel", state="held")["changed"] == 1
    assert count_states() == {"failed": 5, "pending": 1, "cancelled": 2}
    answer = admin.post("/deliveries/cancel", json={"state": "failed"})
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/state")


def test_what_is_skipped(admin: Api, pbx: Pbx, hook: Hook, other_hook: Hook, log: None) -> None:
    """What cannot be sent is counted by reason."""
    begin_write()
    db.session.execute(update(Hook).where(Hook.id == hook.id).values(active=False))
    later = utc_now() + timedelta(hours=1)
    claimed = {"claimed_at": utc_now(), "due_at": later}
    one = select(Delivery.id).where(Delivery.hook_id == other_hook.id, Delivery.state == PENDING)
    db.session.execute(update(Delivery).where(Delivery.id.in_(one)).values(claimed))
    db.session.commit()
    done = post(admin, "resend", pbx="head-office")
    assert (done["matched"], done["changed"]) == (6, 2)
    skipped = {one["reason"]: (one["count"], one["detail"]) for one in done["skipped"]}
    assert skipped == {
        "disabled": (3, "the request is disabled"),
        "sending": (1, "it is being sent"),
    }


def test_what_conditions_skipped(admin: Api, pbx: Pbx, hook: Hook) -> None:
    """Skipped deliveries are listed with their reason, and sent again only with their state."""
    reason = "Skipped: the call was answered."
    delivery_id = add_delivery(pbx, hook, state=DeliveryState.SKIPPED, error=reason)
    [shown] = admin.get("/deliveries?state=skipped").get_json()["data"]
    assert (shown["id"], shown["state"], shown["error"]) == (delivery_id, "skipped", reason)
    assert shown["wait"] is None
    detail = "its conditions were not met"
    left_out = [{"reason": "conditions", "detail": detail, "count": 1}]
    for dry_run in (True, False):
        done = post(admin, "resend", pbx="head-office", dry_run=dry_run)
        assert (done["matched"], done["changed"], done["skipped"]) == (1, 0, left_out)
    assert count_states() == {"skipped": 1}
    assert post(admin, "resend", state="skipped", dry_run=True)["changed"] == 1
    assert post(admin, "resend", state="skipped")["changed"] == 1
    assert count_states() == {"pending": 1}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, []),
        ({"dry_run": True}, []),
        ({"extension": ""}, []),
        ({"pbx": "nobody"}, ["#/pbx"]),
        ({"pbx": None}, ["#/pbx"]),
        ({"event": "shout"}, ["#/event"]),
        ({"origin": "no-origin"}, ["#/origin"]),
        ({"since": "2026-01-01"}, ["#/since"]),
        ({"since": 5}, ["#/since"]),
        ({"state": "failed", "dry_run": "yes"}, ["#/dry_run"]),
        ({"state": "failed", "limit": 5}, ["#/"]),
    ],
)
def test_values_that_are_not_valid(
    admin: Api, log: None, action: str, body: dict[str, Any], pointers: list[str]
) -> None:
    """The error names what is wrong; nothing is changed."""
    answer = admin.post(f"/deliveries/{action}", json=body)
    problem = check_problem(answer, ProblemType.INVALID_REQUEST, *pointers)
    assert pointers or "at least one field" in problem["detail"]
    assert count_states() == {"failed": 5, "pending": 2}


def test_scope_of_the_right(
    api: MakeApi, pbx: Pbx, other_pbx: Pbx, log: None, extension: Extension
) -> None:
    """Only deliveries for which the owner has the right are counted and changed."""
    expected: list[tuple[dict[str, Any], int]] = [
        ({}, 5),
        ({"role": Role.OPERATOR, "pbx": pbx}, 4),
        ({"limited_to": other_pbx}, 1),
        ({"role": Role.SELF_SERVICE, "pbx": pbx, "extension": extension}, 2),
    ]
    for who, count in expected:
        caller = api(**who)
        assert post(caller, "resend", state="failed", dry_run=True)["changed"] == count, who
    own = api(Role.SELF_SERVICE, pbx=pbx, extension=extension)
    assert post(own, "resend", state="failed")["changed"] == 2
    assert count_states(pbx_id=pbx.id, extension="102") == {"failed": 2, "pending": 1}
    assert post(own, "cancel", pbx="head-office")["changed"] == 3
    assert count_states(pbx_id=pbx.id, extension="102") == {"failed": 2, "pending": 1}


@pytest.mark.parametrize("action", ACTIONS)
def test_those_who_may_only_see(
    api: MakeApi, pbx: Pbx, other_pbx: Pbx, log: None, action: str
) -> None:
    """A viewer is refused; another PBX does not exist."""
    path = f"/deliveries/{action}"
    for caller in (api(Role.VIEWER), api(Role.VIEWER, pbx=pbx)):
        for body in ({"since": "2020-01-01T00:00:00Z"}, {"pbx": "head-office", "dry_run": True}):
            check_problem(caller.post(path, json=body), ProblemType.FORBIDDEN)
    other = api(pbx=other_pbx, role=Role.ADMIN)
    answer = other.post(path, json={"pbx": "head-office"})
    check_problem(answer, ProblemType.INVALID_REQUEST, "#/pbx")
    assert count_states() == {"failed": 5, "pending": 2}


def test_more_than_one_request_changes(
    admin: Api, pbx: Pbx, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor leads through all, each once, although they still match."""
    monkeypatch.setattr(delivery_actions, "MAX_CHANGED", 3)
    for _ in range(7):
        add_delivery(pbx, hook, state=FAILED)
    found, cursor = Counter[str](), {}
    for _ in range(3):
        done = post(admin, "resend", pbx="head-office", **cursor)
        found.update(requests=1, changed=done["changed"])
        if done["next_cursor"] is None:
            break
        cursor = {"cursor": done["next_cursor"]}
    assert found == {"requests": 3, "changed": 7}
    assert count_states() == {"pending": 7}
    entries = select(func.count()).where(AuditEntry.action == "delivery.sent_again")
    assert db.session.scalar(entries) == 3


def test_a_long_dry_run(admin: Api, pbx: Pbx, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts so far, and a cursor leads on; it is not one of the run that changes something."""
    monkeypatch.setattr(delivery_actions, "MAX_COUNTED", 2)
    for _ in range(3):
        add_delivery(pbx, hook, state=FAILED)
    first = post(admin, "resend", state="failed", dry_run=True)
    assert first["changed"] == 2
    rest = {"cursor": first["next_cursor"]}
    second = post(admin, "resend", state="failed", dry_run=True, **rest)
    assert (second["changed"], second["next_cursor"]) == (1, None)
    for body in ({"state": "failed"}, {"state": "failed", "extension": "101", "dry_run": True}):
        answer = admin.post("/deliveries/resend", json={**body, **rest})
        check_problem(answer, ProblemType.INVALID_CURSOR)


def test_a_repeated_request(admin: Api, log: None) -> None:
    """With an Idempotency-Key there is one effect, in the transaction of the answer."""
    key = {"Idempotency-Key": "once"}
    first = admin.post("/deliveries/resend", json={"state": "failed"}, headers=key)
    second = admin.post("/deliveries/resend", json={"state": "failed"}, headers=key)
    assert first.get_json()["changed"] == 5
    assert second.get_json() == first.get_json()
    assert second.headers["Idempotent-Replayed"] == "true"
