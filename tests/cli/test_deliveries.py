"""`flask deliveries`: list, show, resend, recover, cancel, and their errors."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, update

from callevents.db.models import Attempt, Delivery, Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks, queries
from tests.cli.conftest import Run
from tests.conftest import Configure
from tests.web.views.test_deliveries import deliveries, report

__all__ = ["deliveries"]

Response = Callable[..., Any]


def states(*ids: str) -> list[DeliveryState]:
    """Return the states of these deliveries."""
    db.session.rollback()
    return [db.session.get_one(Delivery, one).state for one in ids]


def test_filters(answer: Response, deliveries: dict[str, str]) -> None:
    """The options filter as the page does; results are limited and newest first."""
    names = {delivery_id: name for name, delivery_id in deliveries.items()}
    hook = answer("deliveries", "list", "--failed")[0]["event_id"]
    for options, expected in {
        "": "cancelled failed delivered sending retrying waiting",
        "--limit 2": "cancelled failed",
        "--state waiting": "waiting",
        "--state pending": "sending retrying waiting",
        "--failed": "failed",
        "--extension 104": "delivered",
        "--event hangup": "failed",
        f"--hook {hook}": "failed",
        "--origin https://cdr.example.net:8443/x": "failed",
        "--call c-2 --pbx head-office": "retrying",
        "--since 1h --state failed": "failed",
        "--until 1h": "",
        "--since 2020-01-01 --until 2020-01-02T10:00Z": "",
    }.items():
        found = answer("deliveries", "list", *options.split())
        assert [names[one["id"]] for one in found] == expected.split(), options
    assert found == []
    assert [one["state"] for one in answer("deliveries", "list")][:2] == ["cancelled", "failed"]


def test_show(run: Run, answer: Response, deliveries: dict[str, str]) -> None:
    """A delivery is shown with its attempts: one line each, request and response in JSON."""
    delivery_id = deliveries["failed"]
    begin_write()
    attempt = {"started_at": utc_now(), "duration_ms": 38, "status_code": 500, "error": "No."}
    attempt |= {"method": Method.POST, "url": "https://a/", "request_body": "b"}
    attempt |= {"request_headers": [["A", "1"]], "response_headers": [], "response_body": "c"}
    db.session.execute(
        insert(Attempt).values(
            delivery_id=delivery_id, number=1, response_truncated=False, **attempt
        )
    )
    db.session.commit()
    [shown] = answer("deliveries", "show", delivery_id)["attempts_made"]
    assert (shown["request_headers"], shown["response_body"]) == ([["A", "1"]], "c")
    lines = run("deliveries", "show", delivery_id).stdout.splitlines()
    assert f"id: {delivery_id}" in lines
    assert lines[-1].startswith("attempt 1: ")
    assert lines[-1].endswith("500, 38 ms: No.")
    assert run("deliveries", "show", new_id()).stderr == "Error: There is no such delivery.\n"


def test_show_says_what_a_delivery_waits_for(
    answer: Response, deliveries: dict[str, str], configure: Configure, pbx: Pbx
) -> None:
    """It names the earlier delivery of the call, the next attempt, and when retries end."""
    configure.hook("*", EventType.ANSWER_IN, "https://a/")
    first, second = (report(pbx, one, "c-7", EventType.ANSWER_IN) for one in ("107", "108"))
    shown = answer("deliveries", "show", first)
    assert shown["waits_for_delivery"] is None
    assert shown["next_attempt_at"] < shown["gives_up_at"]
    shown = answer("deliveries", "show", second)
    assert (shown["waits_for_delivery"], shown["next_attempt_at"]) == (first, None)
    shown = answer("deliveries", "show", deliveries["failed"])
    assert (shown["next_attempt_at"], shown["gives_up_at"]) == (None, None)


def test_secrets_of_urls_are_masked(
    run: Run, answer: Response, deliveries: dict[str, str], configure: Configure, pbx: Pbx
) -> None:
    """A delivery's URL is printed with secrets masked, the hook's in full if asked for."""
    hook = configure.hook("*", EventType.ANSWER_IN, "https://a/?key=open-sesame&x=1")
    url = hook.url
    delivery_id = report(pbx, "107", "c-7", EventType.ANSWER_IN)
    shown = answer("deliveries", "show", delivery_id)
    assert shown["url"] == "https://a/?key=••••&x=1"
    assert "open-sesame" not in run("deliveries", "list").stdout
    assert url in [one["url"] for one in answer("hooks", "list", "--show-secrets")]


def test_resend(run: Run, answer: Response, deliveries: dict[str, str]) -> None:
    """Deliveries are resent by ID or by filter; --dry-run only counts."""
    failed, cancelled = deliveries["failed"], deliveries["cancelled"]
    counted = answer("deliveries", "resend", "--failed", "--dry-run")
    assert counted == {"changed": 1, "left_out": {}, "dry_run": True}
    assert states(failed) == [DeliveryState.FAILED]
    assert run("deliveries", "resend", "--failed").stdout == "Resent 1 delivery.\n"
    assert states(failed) == [DeliveryState.PENDING]
    by_id = run("deliveries", "resend", cancelled.upper(), deliveries["sending"], "--dry-run")
    assert by_id.stdout == ("Would resend 1 delivery.\nSkipped 1: it is being sent.\n")
    assert states(cancelled) == [DeliveryState.CANCELLED]
    assert answer("deliveries", "resend", cancelled)["changed"] == 1
    assert states(cancelled) == [DeliveryState.PENDING]


def test_recover(run: Run, answer: Response, deliveries: dict[str, str], pbx: Pbx) -> None:
    """Only the failed deliveries of one request since a time are resent."""
    report(pbx, "110", "c-8", state=DeliveryState.FAILED)
    hook = answer("deliveries", "list", "--event", "hangup")[0]["event_id"]
    since = (utc_now() + timedelta(minutes=1)).isoformat()
    none = answer("deliveries", "recover", "--hook", hook, "--since", since)
    assert none["changed"] == 0
    counted = run("deliveries", "recover", "--hook", hook, "--since", "2h", "--dry-run")
    assert counted.stdout == "Would resend 1 delivery.\n"
    assert answer("deliveries", "recover", "--hook", hook, "--since", "2h")["changed"] == 1
    assert states(deliveries["failed"]) == [DeliveryState.PENDING]
    assert len(answer("deliveries", "list", "--failed")) == 1
    begin_write()
    db.session.execute(update(Delivery).values(state=DeliveryState.FAILED))
    hooks.set_active(queries.get_hook(hook), active=False)
    db.session.commit()
    left = run("deliveries", "recover", "--hook", hook, "--since", "2h")
    assert left.stdout == "Resent 0 deliveries.\nSkipped 1: the request is disabled.\n"


def test_cancel(run: Run, answer: Response, deliveries: dict[str, str]) -> None:
    """Pending deliveries are cancelled; others are skipped."""
    left = run("deliveries", "cancel", deliveries["waiting"], deliveries["failed"], "--dry-run")
    assert left.stdout == ("Would cancel 1 delivery.\nSkipped 1: it is no longer pending.\n")
    assert answer("deliveries", "cancel", "--pbx", "head-office")["changed"] == 3
    waited = (deliveries[name] for name in ("waiting", "retrying", "sending"))
    assert set(states(*waited)) == {DeliveryState.CANCELLED}


def test_skipped(run: Run, answer: Response, pbx: Pbx, configure: Configure) -> None:
    """What conditions skipped is listed, shown with the reason, and resent where that is chosen."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    reason = "Skipped: the call was answered."
    skipped = report(pbx, "111", "c-9", state=DeliveryState.SKIPPED, error=reason)
    [shown] = answer("deliveries", "list", "--state", "skipped")
    assert (shown["id"], shown["state"], shown["error"]) == (skipped, "skipped", reason)
    assert f"error: {reason}\n" in run("deliveries", "show", skipped).stdout
    left = run("deliveries", "resend", "--pbx", "head-office").stdout
    assert left == "Resent 0 deliveries.\nSkipped 1: its conditions were not met.\n"
    assert states(skipped) == [DeliveryState.SKIPPED]
    assert answer("deliveries", "resend", "--state", "skipped")["changed"] == 1
    assert states(skipped) == [DeliveryState.PENDING]


#: Arguments, and what is said of them.
REFUSED = {
    "resend": "Pass delivery IDs or a filter, for example --failed --since 2h.",
    "cancel": "Pass delivery IDs or a filter, for example --failed --since 2h.",
    "resend x --failed": "Pass either delivery IDs or a filter, not both.",
    "resend x": "Invalid delivery ID 'x'.",
    "resend --failed --state cancelled": "--failed and --state contradict each other.",
    "cancel --failed": "state: Only pending and held deliveries can be cancelled.",
    "list --since soon": "Invalid duration 'soon' (use 30d, 12h or 90m).",
    "list --origin crm": "origin: 'crm' is not an origin. Write it like https://crm.example.com.",
    "list --pbx nobody": "There is no PBX 'nobody'.",
    "list --call \x01": "--call must not contain control characters.",
    "recover --hook nobody --since 2h": "There is no request with the Event ID 'nobody'.",
}


def test_refusals(run: Run, pbx: Pbx) -> None:
    """Ambiguous or unknown selections are errors and change nothing."""
    for arguments, sentence in REFUSED.items():
        result = run("deliveries", *arguments.split())
        assert result.exit_code in (1, 2)
        assert sentence in result.stderr


def test_many_batches(answer: Response, pbx: Pbx, configure: Configure) -> None:
    """All batches are processed."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/")
    report(pbx, "1", "c")
    begin_write()
    [one] = db.session.query(Delivery).all()
    columns = [column.name for column in Delivery.__table__.columns]
    row = {name: getattr(one, name) for name in columns} | {"state": DeliveryState.FAILED}
    db.session.execute(insert(Delivery), [row | {"id": new_id()} for _ in range(1100)])
    db.session.commit()
    assert answer("deliveries", "resend", "--failed")["changed"] == 1100
    assert answer("deliveries", "list", "--failed") == []
