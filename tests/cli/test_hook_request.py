"""Templates, maps, conditions and other options of requests by command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callevents.cli.only_if import format_conditions, parse_conditions
from callevents.db.models import Hook, Pbx
from callevents.delivery.request.load import read_template
from callevents.enums import AuthKind, BodyFormat, HookScope, Method
from callevents.extensions import cipher, db
from callevents.hooks import queries
from callevents.hooks.options import read_options
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure
from tests.support.stored_receiver import give_receiver

SET = ("hooks", "set", "head-office", "*", "hangup", "--url", "http://a/")
TEXT = '{\n  "from": "{CallerIDNum}"\n}\n'
ONLY_IF = (
    "direction=in",
    "party=external",
    "answered=yes",
    "min-seconds=10",
    "hours=mon,tue,fri 09:00-17:30 Europe/Bucharest",
    "number=+40*",
    "number=101",
    "did=+40210000100",
    "queue=sales team",
)
Response = Callable[..., Any]


def stored(event_id: str) -> Hook:
    """Return the hook as it is stored."""
    db.session.rollback()
    return queries.get_hook(event_id)


def test_everything_is_set_and_listed(run: Run, answer: Response, pbx: Pbx, tmp_path: Path) -> None:
    """All options are stored, and printed as the command takes them, without the secret."""
    template = tmp_path / "body.json"
    template.write_text(TEXT, encoding="utf-8")
    made = answer(
        *SET,
        *("--method", "put", "--template", str(template)),
        *("--map", "direction: IN = in", "--map", "direction:OUT=out"),
        "--once-per-call",
        *(word for text in ONLY_IF for word in ("--only-if", text)),
        *("--scheme", "token KEY:s3cret"),
    )
    expected = {
        "method": "PUT",
        "body": "template",
        "content_type": "application/json",
        "template": TEXT,
        "maps": ["direction: IN = in", "direction: OUT = out"],
        "once_per_call": True,
        "only_if": list(ONLY_IF),
        "keep": {},
        "if_missing": "fail",
        "auth": "scheme",
    }
    assert {name: made[name] for name in expected} == expected
    [listed] = answer("hooks", "list")
    assert {name: listed[name] for name in expected} == expected
    assert answer("hooks", "show", made["event_id"]) == listed
    hook = stored(made["event_id"])
    options = read_options(hook)
    assert (hook.method, options.scope) == (Method.PUT, HookScope.CALL)
    assert options.body_format is BodyFormat.TEMPLATE
    assert options.value_maps == {"direction": {"IN": "in", "OUT": "out"}}
    assert options.conditions.numbers == ("+40*", "101")
    request = read_template(hook, cipher.bound)
    assert (request.auth, request.username, request.secret) == (
        *(AuthKind.SCHEME, "token", "KEY:s3cret"),
    )
    shown = run("hooks", "show", made["event_id"]).stdout
    assert "s3cret" not in shown + json.dumps([made, listed])
    for line in ('      "from": "{CallerIDNum}"', "    queue=sales team", "once_per_call  yes"):
        assert line in shown.splitlines()


def test_the_command_says_what_it_has_set(run: Run, pbx: Pbx) -> None:
    """On standard error, because scripts read the Event ID from standard output."""
    result = run(*SET, "--once-per-call", "--only-if", "party=external")
    assert result.stderr == (
        "hangup of all extensions: GET http://a/, once per call, only external calls, enabled. "
        "Event ID:\n"
    )
    assert len(result.stdout.splitlines()) == 1


def test_what_is_left_out_has_its_default(answer: Response, pbx: Pbx) -> None:
    """As for the other options."""
    made = answer(*SET, "--only-if", "queue=a", "--map", "a: b = c", "--once-per-call")
    again = answer(*SET)
    assert again["event_id"] == made["event_id"]
    assert (again["only_if"], again["maps"], again["once_per_call"]) == ([], [], False)
    assert (again["template"], again["content_type"], again["body"]) == ("", "", "form")


def test_template_and_token_from_standard_input(answer: Response, pbx: Pbx) -> None:
    """A dash reads all of it for the template, or a line for the token."""
    text = ("--content-type", "text/plain", "--method", "post")
    made = answer(*SET, "--template", "-", *text, input="Call\n{CallerIDNum}")
    assert made["template"] == "Call\n{CallerIDNum}"
    made = answer(*SET, "--scheme", "token -", input="KEY:s3cret\n")
    template = read_template(stored(made["event_id"]), cipher.bound)
    assert (template.username, template.secret) == ("token", "KEY:s3cret")


def test_values_of_answers_are_kept(run: Run, answer: Response, pbx: Pbx) -> None:
    """Only by requests of a receiver."""
    keep = ("--keep", "CALL_ID = /result/CALL_ID", "--if-missing", "omit")
    check_failure(run(*SET, *keep), "answers: Only a request of a receiver can keep values.")
    event_id = answer(*SET)["event_id"]
    give_receiver(stored(event_id), "http://a")
    made = answer(*SET, *keep)
    assert (made["keep"], made["if_missing"]) == ({"CALL_ID": "/result/CALL_ID"}, "omit")


CRM = (
    *("receivers", "add", "CRM", "--address", "http://a", "--set", "team=sales"),
    *("--auth", "bearer", "--credential", "token=t0ken"),
)


def test_a_request_is_added_to_a_receiver(run: Run, answer: Response, pbx: Pbx) -> None:
    """With its authentication and values; it stays with it, and leaves it, and `show` says so."""
    assert run(*CRM).exit_code == 0
    of_crm = ("--receiver", "crm", "--auth-of-receiver")
    refused = run(*SET[:-1], "http://b/", *of_crm)
    check_failure(refused, "url: The URL must begin with the address of CRM: http://a.")
    url = "http://a/{receiver.team}/{Extension|user}"
    made = answer(*SET[:-1], url, *of_crm)
    assert (made["receiver"], made["auth"]) == ("crm", "receiver")
    lines = run("hooks", "show", made["event_id"]).stdout.splitlines()
    assert "receiver crm" in [" ".join(line.split()) for line in lines]
    assert answer("hooks", "list")[0]["receiver"] == "crm"
    kept = answer(*SET[:-1], url, "--note", "Calls")
    assert (kept["event_id"], kept["receiver"], kept["auth"]) == (
        *(made["event_id"], "crm", "receiver"),
    )
    without = answer(*SET, "--no-auth-of-receiver")
    assert (without["receiver"], without["auth"]) == ("crm", "none")
    again = answer(*SET, "--receiver", "CRM", "--auth-of-receiver")
    assert (again["receiver"], again["auth"]) == ("crm", "receiver")
    other = answer(*SET[:-1], "http://b/", "--no-receiver")
    assert (other["event_id"], other["receiver"], other["auth"]) == (made["event_id"], "", "none")
    for wrong in (("--receiver", "crm", "--no-receiver"), ("--receiver", "nobody")):
        assert run(*SET, *wrong).exit_code != 0


@pytest.mark.parametrize(
    "given",
    [
        ["direction=in", "direction=out"],
        ["answered=no"],
        ["outside=sat,sun 18:00-08:00 UTC"],
        list(ONLY_IF),
    ],
)
def test_conditions_are_printed_as_they_are_given(given: list[str]) -> None:
    """So a script can pass them again."""
    assert format_conditions(parse_conditions(given)) == given


@pytest.mark.parametrize(
    ("days", "numbers"),
    [
        ("mon-fri", (1, 2, 3, 4, 5)),
        ("sat-mon", (1, 6, 7)),
        ("MON,wed-thu", (1, 3, 4)),
        ("sun", (7,)),
    ],
)
def test_days(days: str, numbers: tuple[int, ...]) -> None:
    """Days have their English abbreviations, ranges may go over the end of the week."""
    hours = parse_conditions([f"hours={days} 09:00-17:00 UTC"]).hours
    assert hours
    assert hours.days == numbers


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--only-if", "direction"), "--only-if needs a name and a value: 'direction'."),
        (("--only-if", "colour=red"), "There is no condition 'colour'. The conditions are: party"),
        (("--only-if", "answered=maybe"), "--only-if answered is yes or no."),
        (("--only-if", "min-seconds=x"), "--only-if min-seconds needs whole seconds, such as 10."),
        (("--only-if", "hours=mon 9-17"), "Write it like 'hours=mon-fri 09:00-17:00"),
        (("--only-if", "hours=may 09:00-17:00 UTC"), "Unknown days 'may'."),
        (
            ("--only-if", "hours=mon 1-2 UTC", "--only-if", "outside=mon 1-2 UTC"),
            "--only-if hours can be given once.",
        ),
        (("--body", "template"), "--body template needs --template with a file, or - for a pipe."),
        (("--content-type", "text/plain"), "--content-type is that of a template"),
        (("--body", "json", "--template", "-"), "--template and --body json cannot be used"),
        (("--template", "/nowhere/at/all"), "No such file or directory"),
        (("--template", "-"), "--template is empty."),
        (("--basic", "a:b", "--scheme", "c d"), "--scheme and --auth-of-receiver cannot be used"),
    ],
)
def test_wrong_options(run: Run, pbx: Pbx, options: tuple[str, ...], sentence: str) -> None:
    """The messages of malformed options."""
    result = run(*SET, *options)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--map", "IN = in"), "value_maps: Line 1: Write it like: direction: IN = in"),
        (("--keep", "x"), "answers: Line 1: Write it like: CALL_ID = /result/CALL_ID"),
        (("--scheme", "token"), "token: Enter the token."),
        (("--only-if", "party=both"), "conditions/party: "),
        (("--only-if", "hours=mon 09:00-17:00 Mars"), "conditions/hours/zone: "),
    ],
)
def test_wrong_values(run: Run, pbx: Pbx, options: tuple[str, ...], sentence: str) -> None:
    """The messages of invalid values are those of the pages."""
    result = run(*SET, *options)
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_a_template_that_is_no_text(run: Run, pbx: Pbx, tmp_path: Path) -> None:
    """A file in another encoding is refused."""
    file = tmp_path / "body"
    file.write_bytes(b"\xff\xfe{")
    result = run(*SET, "--template", str(file))
    assert result.exit_code == 2
    assert "--template must be text in UTF-8." in result.stderr
