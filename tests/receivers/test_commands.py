"""`flask recipes` and `flask receivers`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from callevents.db.models import Hook, Pbx, Receiver
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.enums import AuthKind, DeliveryState
from callevents.extensions import db
from callevents.hooks.suspension import WAITS_FOR_RECEIVER
from callevents.receivers import receivers
from tests.cli.conftest import Run, answer, run
from tests.cli.test_commands import check_failure
from tests.conftest import Configure
from tests.receivers.conftest import TOKEN, AddReceiver
from tests.receivers.test_connect import connect_all
from tests.support.receiver import Receiver as Server
from tests.support.receiver import Reply
from tests.web.views.test_deliveries import report

__all__ = ["answer", "run"]

ADD = ("receivers", "add", "Our CRM", "--recipe", "example-crm")
URL = ("--set", "url=https://crm.example.com")
Answer = Callable[..., Any]


def test_recipes_are_listed_and_shown(run: Run, answer: Answer, recipes: Path) -> None:
    """With what to enter; a file with errors is named, and does not hide the others."""
    (recipes / "wrong.toml").write_text("name = 1")
    listed = run("recipes", "list")
    assert "example-crm" in listed.stdout
    assert f"{recipes}/wrong.toml: name: " in listed.stderr
    (recipes / "wrong.toml").unlink()
    assert "example-crm" in [one["recipe"] for one in answer("recipes", "list")]
    shown = run("recipes", "show", "example-crm").stdout
    assert "--set url=https://crm.example.com --set token=-" in shown
    assert "log: hangup, once per call. Log the call" in shown
    assert "Users:\n  User ID.\n" in shown
    needed = "Without it, Zendesk refuses the calls of an extension."
    assert needed in run("recipes", "show", "zendesk").stdout
    assert answer("recipes", "show", "example-crm")["questions"][2]["kind"] == "secret"
    check_failure(
        run("recipes", "show", "exampel"),
        "There is no recipe 'exampel'. Did you mean example-crm?",
    )


def test_a_receiver_is_added_by_a_recipe(run: Run, answer: Answer) -> None:
    """The secret comes from a pipe, and is never printed."""
    made = answer(*ADD, *URL, "--set", "token=-", input=f"{TOKEN}\n")
    assert (made["receiver"], made["address"], made["auth"]) == (
        "our-crm",
        "https://crm.example.com/api/{receiver.team}",
        "bearer",
    )
    assert made["values"] == {"url": "https://crm.example.com", "team": "sales", "token": None}
    assert made["credentials"] == {"token": None}
    shown = run("receivers", "show", "our crm").stdout
    assert "values token: set, not shown" in shown
    assert "state: unused" in shown
    assert TOKEN not in shown + json.dumps(made)
    assert "our-crm" in run("receivers", "list").stdout


def test_missing_answers_are_named(run: Run) -> None:
    """Each question, with what to do."""
    result = run(*ADD, "--set", "team=sales")
    assert (result.exit_code, result.stderr.splitlines()) == (
        1,
        [
            "Error: values/url: Enter a value: the address.",
            "values/token: Enter a value: the token.",
        ],
    )
    assert "token=abc" in run(*ADD, "--set", TOKEN).stderr
    assert TOKEN not in run(*ADD, "--set", TOKEN).stderr
    assert "--recipe or --address" in run("receivers", "add", "CRM").stderr


def test_a_receiver_without_a_recipe(answer: Answer, run: Run) -> None:
    """Address, values and authentication are given one by one."""
    made = answer(
        *("receivers", "add", "CRM", "--address", "https://crm.example.com"),
        *("--set", "team=sales", "--set-secret", "key=geheim"),
        *("--auth", "basic", "--credential", "username=anna", "--credential", "password=geheim"),
        *("--max-in-flight", "3", "--max-per-second", "0.5"),
    )
    assert made["values"] == {"team": "sales", "key": None}
    assert made["credentials"] == {"username": "anna", "password": None}
    assert (made["max_in_flight"], made["max_per_second"]) == (3, 0.5)
    changed = answer("receivers", "set", "crm", "--max-in-flight", "0", "--unset", "team")
    assert (changed["values"], changed["max_in_flight"]) == ({"key": None}, None)
    check_failure(run("receivers", "connect", "crm", "nothing", "*"), "There is no PBX 'nothing'.")


def test_extensions_are_connected(
    add_receiver: AddReceiver, configure: Configure, answer: Answer, run: Run
) -> None:
    """By number or all with *; twice changes nothing, and disconnecting can be undone."""
    add_receiver()
    for number in ("101", "102"):
        configure.extension(number)
    connect = ("receivers", "connect", "our-crm", "head-office")
    done = run(*connect, "101", "102")
    assert done.stdout.startswith("Created 4 requests (2 pop, 2 log).\n")
    again = answer(*connect, "101", "102")
    assert (again["created"], len(again["kept"])) == ([], 4)
    more = answer(*connect, "101", "--request", "busy")
    assert [one["request"] for one in more["created"]] == ["busy"]
    assert answer("hooks", "undo", more["change"])["requests"] == 1
    answer(*connect, "101", "--request", "busy")
    assert {hook.auth for hook in db.session.scalars(select(Hook))} == {AuthKind.RECEIVER}
    check_failure(run(*connect, "101", "109"), "extensions: Head office has no extension 109.")
    check_failure(run(*connect, "*", "101"), "extensions: * stands for all. Pass it alone.")
    assert run(*connect, "*").exit_code == 1
    check_failure(
        run("receivers", "remove", "our-crm"),
        "Our CRM has 5 requests. Clear them first, or disconnect its extensions.",
    )
    removed = answer("receivers", "disconnect", "our-crm", "head-office", "101")
    assert removed["requests"] == 3
    assert run("hooks", "undo", removed["removal"]).stdout == "Undone: 3 requests.\n"
    answer("receivers", "disconnect", "our-crm", "head-office")
    assert answer("receivers", "remove", "our-crm") == {"removed": "our-crm"}
    assert receivers.list_receivers() == []


def test_another_address_is_said(add_receiver: AddReceiver, pbx: Pbx, run: Run) -> None:
    """With the number of requests whose URLs have changed."""
    connect_all(add_receiver(), pbx)
    done = run("receivers", "set", "our-crm", "--set", "url=https://crm.example.com/v2")
    assert done.stderr == "Changed the URLs of 2 requests.\n"
    result = run("receivers", "set", "our-crm", "--set", "url=https://evil.example")
    assert (result.exit_code, "Enter the token again." in result.stderr) == (1, True)


def test_the_user_map_is_edited(
    add_receiver: AddReceiver, pbx: Pbx, run: Run, answer: Answer, tmp_path: Path
) -> None:
    """Entry by entry, or as CSV; a dry run changes nothing."""
    add_receiver()
    edit = ("receivers", "users", "our-crm", "head-office")
    assert answer(*edit, "--set", "101=anna", "--set", "102=bo") == {"101": "anna", "102": "bo"}
    assert run(*edit).stdout == "extension,user\n101,anna\n102,bo\n"
    file = tmp_path / "users.csv"
    file.write_text("103;eva\n")
    dry = run(*edit, "--import", str(file), "--dry-run")
    assert (dry.stdout, dry.stderr) == ("extension,user\n103,eva\n", "3 entries would differ.\n")
    assert answer(*edit) == {"101": "anna", "102": "bo"}
    assert answer(*edit, "--import", "-", input="103,eva\n") == {"103": "eva"}
    check_failure(
        run(*edit, "--import", "-", input="1\n"),
        "users: Line 1: Needs two columns, extension and user (got 1).",
    )
    check_failure(run(*edit, "--fetch"), "The recipe of Our CRM cannot fetch its users.")


def test_a_test_is_sent(add_receiver: AddReceiver, pbx: Pbx, receiver: Server, run: Run) -> None:
    """What came back is printed; a failed test is an error of the command."""
    add_receiver(url=receiver.url)
    done = run("receivers", "test", "our-crm")
    assert (done.exit_code, "Look at the receiver: The contact opens." in done.stdout) == (0, True)
    receiver.reply = lambda _arrival: Reply(401)
    failed = run("receivers", "test", "our-crm", "--request", "log", "--json")
    assert failed.exit_code == 1
    values = json.loads(failed.stdout)
    assert (values["request"], values["status_code"], values["successful"]) == ("log", 401, False)


def test_failed_deliveries_are_sent_again(
    add_receiver: AddReceiver, pbx: Pbx, answer: Answer
) -> None:
    """Those of all its requests; a dry run only counts."""
    connect_all(add_receiver(), pbx)
    report(pbx, "101", "call-1", state=DeliveryState.FAILED)
    recover = ("receivers", "recover", "our-crm", "--since", "1h")
    assert answer(*recover, "--dry-run")["changed"] == 1
    assert answer(*recover) == {"changed": 1, "left_out": {}, "dry_run": False}
    assert answer(*recover)["changed"] == 0


def test_a_receiver_of_one_pbx(answer: Answer, pbx: Pbx, other_pbx: Pbx, run: Run) -> None:
    """Only its requests can use it."""
    made = answer(*ADD, *URL, "--set", f"token={TOKEN}", "--pbx", "branch")
    assert made["pbx"] == "branch"
    check_failure(
        run("receivers", "connect", "our-crm", "head-office", "*"),
        "pbx: Our CRM is a receiver of another PBX.",
    )
    [stored] = db.session.scalars(select(Receiver)).all()
    assert stored.pbx_id == other_pbx.id


def test_a_secret_that_was_left_out_of_an_import(
    run: Run, answer: Answer, add_receiver: AddReceiver, pbx: Pbx
) -> None:
    """`show` and `list` say so, `hooks resume` leaves its requests out, and `set` resumes them."""
    stored = add_receiver(token=NOT_IMPORTED)
    hooks = connect_all(stored, pbx).created
    for hook in hooks:
        hook.suspended_at, hook.suspended_reason = hook.created_at, WAITS_FOR_RECEIVER
    db.session.commit()
    needs = "Our CRM was imported without a secret: the token."
    assert needs in run("receivers", "show", "our-crm").stdout
    assert [one["state"] for one in answer("receivers", "list")] == ["needs-secret"]
    resumed = run("hooks", "resume", "--all").stdout
    assert "Resumed 0 requests.\nLeft out 2 requests:" in resumed
    assert needs in run("receivers", "test", "our-crm").stderr
    told = run("receivers", "set", "our-crm", "--set", f"token={TOKEN}")
    assert "Resumed 2 requests." in told.stderr
    assert answer("receivers", "show", "our-crm")["needs"] == ""
