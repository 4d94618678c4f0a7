"""The commands about deliveries: which they find, what they change, and what they refuse."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, update

from callevents.db.models import Attempt, Delivery, Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks, queries
from tests.commands.conftest import Run
from tests.conftest import Configure
from tests.web.test_deliveries import deliveries, report

__all__ = ["deliveries"]

Response = Callable[..., Any]


def states(*ids: str) -> list[DeliveryState]:
    """Return the states of these deliveries."""
    db.session.rollback()
    return [db.session.get_one(Delivery, one).state for one in ids]


def test_filters(answer: Response, deliveries: dict[str, str]) -> None:
    """The options say the same as the filters of the page; as many as wanted, newest first."""
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
    """A delivery is shown with its attempts: request and answer for programs, a line for people."""
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
    assert lines[-1].endswith("500, 38 ms No.")
    assert run("deliveries", "show", new_id()).stderr == "Error: There is no such delivery.\n"


def test_secrets_of_urls_are_masked(
    run: Run, answer: Response, deliveries: dict[str, str], configure: Configure, pbx: Pbx
) -> None:
    """A delivery's URL is printed without values that look secret; the request's own is whole."""
    hook = configure.hook("*", EventType.ANSWER_IN, "https://a/?key=open-sesame&x=1")
    url = hook.url
    delivery_id = report(pbx, "107", "c-7", EventType.ANSWER_IN)
    shown = answer("deliveries", "show", delivery_id)
    assert shown["url"] == "https://a/?key=••••&x=1"
    assert "open-sesame" not in run("deliveries", "list").stdout
    assert url in [one["url"] for one in answer("hooks", "list")]


def test_resend(run: Run, answer: Response, deliveries: dict[str, str]) -> None:
    """Some are sent again by their ids, or all that options describe; --dry-run only counts."""
    failed, cancelled = deliveries["failed"], deliveries["cancelled"]
    counted = answer("deliveries", "resend", "--failed", "--dry-run")
    assert counted == {"changed": 1, "left_out": {}, "dry_run": True}
    assert states(failed) == [DeliveryState.FAILED]
    assert run("deliveries", "resend", "--failed").stdout == "1 delivery is sent again.\n"
    assert states(failed) == [DeliveryState.PENDING]
    by_id = run("deliveries", "resend", cancelled.upper(), deliveries["sending"], "--dry-run")
    assert by_id.stdout == ("1 delivery would be sent again.\n1 left out: it is being sent.\n")
    assert states(cancelled) == [DeliveryState.CANCELLED]
    assert answer("deliveries", "resend", cancelled)["changed"] == 1
    assert states(cancelled) == [DeliveryState.PENDING]


def test_recover(run: Run, answer: Response, deliveries: dict[str, str], pbx: Pbx) -> None:
    """What has failed for one request since a time is sent again, and nothing else."""
    report(pbx, "110", "c-8", state=DeliveryState.FAILED)
    hook = answer("deliveries", "list", "--event", "hangup")[0]["event_id"]
    since = (utc_now() + timedelta(minutes=1)).isoformat()
    none = answer("deliveries", "recover", "--hook", hook, "--since", since)
    assert none["changed"] == 0
    counted = run("deliveries", "recover", "--hook", hook, "--since", "2h", "--dry-run")
    assert counted.stdout == "1 delivery would be sent again.\n"
    assert answer("deliveries", "recover", "--hook", hook, "--since", "2h")["changed"] == 1
    assert states(deliveries["failed"]) == [DeliveryState.PENDING]
    assert len(answer("deliveries", "list", "--failed")) == 1
    begin_write()
    db.session.execute(update(Delivery).values(state=DeliveryState.FAILED))
    hooks.set_active(queries.get_hook(hook), active=False)
    db.session.commit()
    left = run("deliveries", "recover", "--hook", hook, "--since", "2h")
    assert left.stdout == ("0 deliveries are sent again.\n1 left out: the request is disabled.\n")


def test_cancel(run: Run, answer: Response, deliveries: dict[str, str]) -> None:
    """Those that wait are cancelled; one that does not is left out."""
    left = run("deliveries", "cancel", deliveries["waiting"], deliveries["failed"], "--dry-run")
    assert left.stdout == ("1 delivery would be cancelled.\n1 left out: it is no longer pending.\n")
    assert answer("deliveries", "cancel", "--pbx", "head-office")["changed"] == 3
    waited = (deliveries[name] for name in ("waiting", "retrying", "sending"))
    assert set(states(*waited)) == {DeliveryState.CANCELLED}


#: Arguments, and what is said of them.
REFUSED = {
    "resend": "Say which, by their IDs or by options as --failed --since 2h.",
    "cancel": "Say which, by their IDs or by options as --failed --since 2h.",
    "resend x --failed": "Say which either by their IDs or by options, not by both.",
    "resend x": "'x' is no id of a delivery.",
    "resend --failed --state cancelled": "--failed and --state say different things.",
    "cancel --failed": "state: Only pending deliveries can be cancelled.",
    "list --since soon": "'soon' is no age such as 30d, 12h or 90m.",
    "list --origin crm": "origin: 'crm' is not an origin. Write it like https://crm.example.com.",
    "list --pbx nobody": "There is no PBX 'nobody'.",
    "list --call \x01": "--call must not have control characters.",
    "recover --hook nobody --since 2h": "There is no request with the Event ID 'nobody'.",
}


def test_refusals(run: Run, pbx: Pbx) -> None:
    """What is not clear or does not exist is refused with a sentence, and nothing is changed."""
    for arguments, sentence in REFUSED.items():
        result = run("deliveries", *arguments.split())
        assert result.exit_code in (1, 2)
        assert sentence in result.stderr


def test_many_batches(answer: Response, pbx: Pbx, configure: Configure) -> None:
    """More than one batch is done to its end."""
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
