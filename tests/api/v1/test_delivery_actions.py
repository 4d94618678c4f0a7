"""Sending again and cancelling one delivery: what changes, who may do it, what is recorded."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import update

from callevents.api.v1.problems import ProblemType
from callevents.db.models import Delivery, Extension, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, Role
from callevents.extensions import db
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.conftest import Configure
from tests.support.call_events import add_delivery

UNKNOWN = "019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10"


@pytest.fixture
def hook(pbx: Pbx, configure: Configure) -> Hook:
    """A hook of the extension 101."""
    return configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/")


@pytest.fixture
def failed(pbx: Pbx, hook: Hook) -> str:
    """The path of a failed delivery."""
    return f"/deliveries/{add_delivery(pbx, hook, state=DeliveryState.FAILED)}"


def state_of(path: str) -> DeliveryState:
    """Return the stored state of the delivery with that path."""
    db.session.rollback()
    return db.session.get_one(Delivery, path.rpartition("/")[2]).state


def test_send_again(admin: Api, failed: str, redis: Redis, redis_url: str) -> None:
    """A failed delivery is pending; workers are woken; the history names the token."""
    answer = admin.post(f"{failed}/resend")
    assert answer.status_code == 200
    shown = answer.get_json()
    assert (shown["state"], shown["attempts"]) == ("waiting", 1)
    assert shown["resent_at"] is not None
    assert admin.get(failed).get_json() == shown
    assert redis.llen("rq:queue:callevents") == 1
    entry = last_entry()
    assert (entry.action, entry.object_id) == ("delivery.sent_again", shown["id"])
    check_actor(entry, admin)


def test_cancel(admin: Api, pbx: Pbx, hook: Hook) -> None:
    """A pending or held delivery is cancelled once."""
    for state in (DeliveryState.PENDING, DeliveryState.HELD):
        path = f"/deliveries/{add_delivery(pbx, hook, state=state)}"
        shown = admin.post(f"{path}/cancel", json={}).get_json()
        assert (shown["state"], shown["wait"]) == ("cancelled", None)
        assert shown["finished_at"] is not None
        entry = last_entry()
        assert (entry.action, entry.object_id) == ("delivery.cancelled", shown["id"])
        check_actor(entry, admin)
        problem = check_problem(admin.post(f"{path}/cancel"), ProblemType.CONFLICT)
        assert problem["detail"] == "The delivery is not cancelled: it is no longer pending."


def disable(path: str) -> None:
    """Disable all hooks."""
    db.session.execute(update(Hook).values(active=False))


def suspend(path: str) -> None:
    """Suspend all hooks."""
    db.session.execute(update(Hook).values(suspended_at=utc_now(), suspended_reason="Gone."))


def claim(path: str) -> None:
    """Claim the delivery."""
    later = utc_now() + timedelta(hours=1)
    values = {"state": DeliveryState.PENDING, "claimed_at": utc_now(), "due_at": later}
    db.session.execute(update(Delivery).values(values))


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (disable, "the request is disabled"),
        (suspend, "the request is suspended"),
        (claim, "it is being sent"),
    ],
)
def test_what_cannot_be_sent(
    admin: Api, failed: str, prepare: Callable[[str], None], reason: str
) -> None:
    """The conflict says why, and nothing is changed."""
    begin_write()
    prepare(failed)
    db.session.commit()
    before = state_of(failed)
    problem = check_problem(admin.post(f"{failed}/resend"), ProblemType.CONFLICT)
    assert problem["detail"] == f"The delivery is not sent again: {reason}."
    assert state_of(failed) is before


def test_scopes(api: MakeApi, failed: str) -> None:
    """Changing needs deliveries:write."""
    caller = api(scopes=["deliveries:read"])
    for path in (
        f"{failed}/resend",
        f"{failed}/cancel",
        "/deliveries/resend",
        "/deliveries/cancel",
    ):
        problem = check_problem(caller.post(path, json={}), ProblemType.INSUFFICIENT_SCOPE)
        assert "deliveries:write" in problem["detail"]
    assert state_of(failed) is DeliveryState.FAILED


def test_roles(
    api: MakeApi,
    pbx: Pbx,
    other_pbx: Pbx,
    failed: str,
    extension: Extension,
    other_extension: Extension,
) -> None:
    """Those who may only see are refused; for all others the delivery does not exist."""
    refused: list[tuple[dict[str, Any], ProblemType]] = [
        ({"role": Role.VIEWER}, ProblemType.FORBIDDEN),
        ({"role": Role.VIEWER, "pbx": pbx}, ProblemType.FORBIDDEN),
        ({"role": Role.ADMIN, "pbx": other_pbx}, ProblemType.NOT_FOUND),
        ({"limited_to": other_pbx}, ProblemType.NOT_FOUND),
        (
            {"role": Role.SELF_SERVICE, "pbx": pbx, "extension": other_extension},
            ProblemType.NOT_FOUND,
        ),
    ]
    for who, kind in refused:
        for action in ("resend", "cancel"):
            check_problem(api(**who).post(f"{failed}/{action}"), kind)
    assert state_of(failed) is DeliveryState.FAILED
    allowed: list[dict[str, Any]] = [
        {"role": Role.OPERATOR, "pbx": pbx},
        {"role": Role.SELF_SERVICE, "pbx": pbx, "extension": extension},
        {"limited_to": pbx},
    ]
    for who in allowed:
        caller = api(**who)
        assert caller.post(f"{failed}/resend").status_code == 200
        assert caller.post(f"{failed}/cancel").status_code == 200
        check_actor(last_entry(), caller)


@pytest.mark.parametrize("delivery_id", ["x", UNKNOWN, "0" * 10_000, "a%00b"])
@pytest.mark.parametrize("action", ["resend", "cancel"])
def test_unknown_deliveries(admin: Api, delivery_id: str, action: str) -> None:
    """What does not exist is not found."""
    answer = admin.post(f"/deliveries/{delivery_id}/{action}")
    check_problem(answer, ProblemType.NOT_FOUND)


def test_a_repeated_request(admin: Api, failed: str) -> None:
    """With an Idempotency-Key the same answer comes again, and a delivery is sent again once."""
    key = {"Idempotency-Key": "once"}
    first = admin.post(f"{failed}/resend", headers=key)
    begin_write()
    db.session.execute(update(Delivery).values(state=DeliveryState.FAILED))
    db.session.commit()
    second = admin.post(f"{failed}/resend", headers=key)
    assert second.get_json() == first.get_json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert state_of(failed) is DeliveryState.FAILED
    other = admin.post(f"{failed}/cancel", headers=key)
    check_problem(other, ProblemType.KEY_REUSED)


def test_a_body_is_refused(admin: Api, failed: str) -> None:
    """These take no values."""
    answer = admin.post(f"{failed}/resend", json={"now": True})
    check_problem(answer, ProblemType.INVALID_REQUEST)
    assert state_of(failed) is DeliveryState.FAILED
