"""`flask hooks`: set, list, enable, disable, clear."""

from collections.abc import Callable
from typing import Any

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure
from tests.conftest import Configure


def test_setting_hooks(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """A hook is created, then updated under its Event ID; --add creates another one."""
    configure.extension("101")
    where = ("head-office", "101", "dial-out")
    made = answer("hooks", "set", *where, "--url", "http://A/x")
    event_id = made.pop("event_id")
    assert len(event_id) == 30
    assert made == {
        "pbx": "head-office",
        "extension": "101",
        "event": "dial-out",
        "method": "GET",
        "url": "http://a/x",
        "active": True,
        "suspended": False,
        "note": "",
        "give_up_after": "24h",
        "in_order": True,
        "body": "form",
        "parameters": "all",
        "headers": [],
        "auth": "none",
        "content_type": "",
        "template": "",
        "maps": [],
        "once_per_call": False,
        "only_if": [],
        "keep": {},
        "if_missing": "fail",
        "receiver": "",
        "signed": False,
    }
    changed = run(
        "hooks",
        "set",
        *where,
        "--url",
        "http://b/",
        "--method",
        "post",
        "--note",
        "n",
        "--inactive",
    )
    assert changed.stdout == event_id + "\n"
    [listed] = answer("hooks", "list")
    assert (listed["url"], listed["method"], listed["note"], listed["active"]) == (
        *("http://b/", "POST", "n", False),
    )
    plain = run("hooks", "set", *where, "--url", "http://b/?key=geheim", "--inactive")
    assert plain.stdout == f"{event_id}\n"
    assert plain.stderr == "dial-out of 101: GET http://b/?key=••••, disabled. Event ID:\n"
    added = answer("hooks", "set", *where, "--url", "http://c/", "--add")
    assert added["event_id"] != event_id
    assert len(answer("hooks", "list", "head-office")) == 2
    check_failure(
        run("hooks", "set", *where, "--url", "http://d/"),
        "This event has 2 requests. Edit one of them in its dialog.",
    )


@pytest.mark.parametrize("event", EventType)
def test_every_event_by_name_and_code(
    pbx: Pbx, answer: Callable[..., Any], event: EventType
) -> None:
    """An event is given by name, in any spelling, or by code; * stands for all extensions."""
    spellings = (event.slug, event.name, event.slug.replace("-", ""), str(event.value))
    for spelling in spellings:
        made = answer("hooks", "set", "head-office", "*", spelling, "--url", "http://a/")
        assert (made["event"], made["extension"]) == (event.slug, "*")
    assert len(answer("hooks", "list")) == 1


def test_switching_hooks(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """A hook is disabled, which holds its pending deliveries, and enabled again."""
    hook = configure.hook("*", EventType.DIAL_IN, "http://a/")
    event_id = hook.event_id
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()
    disabled = answer("hooks", "disable", event_id)
    assert (disabled["active"], disabled["held"], disabled["cancelled"]) == (False, 1, 0)
    [listed] = answer("deliveries", "list", "--state", "held")
    shown = answer("deliveries", "show", listed["id"])
    assert (shown["state"], shown["held_because"]) == ("held", "the request is disabled")
    enabled = f"Enabled {event_id}. 1 waiting delivery goes on.\n"
    assert run("hooks", "enable", event_id).stdout == enabled
    held = f"Disabled {event_id}. 1 waiting delivery held.\n"
    assert run("hooks", "disable", event_id).stdout == held
    assert answer("hooks", "enable", event_id)["released"] == 1
    cancelled = f"Disabled {event_id}. 1 waiting delivery cancelled.\n"
    assert run("hooks", "disable", event_id, "--cancel").stdout == cancelled
    assert [one["state"] for one in answer("deliveries", "list")] == ["cancelled"]
    assert run("hooks", "disable", event_id).stdout == f"Disabled {event_id}.\n"
    assert answer("hooks", "enable", event_id)["active"] is True
    line = run("hooks", "list").stdout.splitlines()[1]
    assert line.split() == [
        event_id,
        "head-office",
        "*",
        "dial-in",
        "GET",
        "http://a/",
        "yes",
        "no",
    ]


def test_clearing_hooks(
    run: Run, pbx: Pbx, configure: Configure, answer: Callable[..., Any]
) -> None:
    """Some events' hooks are removed, or all of an extension; others stay."""
    configure.extension("101")
    for event in EventType:
        configure.hook("101", event, f"http://a/{event.value}")
    for_all = configure.hook("*", EventType.DIAL_IN, "http://all/").event_id
    removed = answer("hooks", "clear", "head-office", "101", "dial-in", "4")
    assert {one["url"] for one in removed} == {"http://a/0", "http://a/4"}
    lines = run("hooks", "clear", "head-office", "101", "hangup").stdout.splitlines()
    assert lines[0] == "Cleared 1 request."
    assert run("hooks", "clear", "head-office", "101", "hangup").stdout == "Cleared 0 requests.\n"
    lines = run("hooks", "clear", "head-office", "101").stdout.splitlines()
    assert lines[0] == "Cleared 2 requests."
    assert [one["event_id"] for one in answer("hooks", "list")] == [for_all]


def test_urls_are_printed_without_secrets(run: Run, pbx: Pbx, answer: Callable[..., Any]) -> None:
    """Commands mask secrets in URLs; only a list that is asked to shows them."""
    url = "https://hooks.slack.com/services/T0/B0/abcdefgh?token=s3cret"
    masked = "https://hooks.slack.com/services/T0/B0/••••?token=••••"
    made = answer("hooks", "set", "head-office", "*", "dial-in", "--url", url)
    assert made["url"] == masked
    assert [one["url"] for one in answer("hooks", "list")] == [masked]
    assert masked in run("hooks", "list").stdout
    assert answer("hooks", "disable", made["event_id"])["url"] == masked
    assert [one["url"] for one in answer("hooks", "list", "--show-secrets")] == [url]
    assert url in run("hooks", "list", "--show-secrets").stdout
    assert answer("hooks", "clear", "head-office", "*")[0]["url"] == masked
