"""`flask pbx connector`: set, show without the secret, remove."""

from collections.abc import Callable
from typing import Any

from callevents.db.models import Pbx
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure

SET = ("pbx", "connector", "set", "head-office")


def test_a_connector_is_set_changed_and_removed(
    pbx: Pbx, run: Run, answer: Callable[..., Any]
) -> None:
    """Omitted options keep their value; the secret is never printed."""
    wanted = ("--kind", "asterisk", "--host", "10.0.0.5", "--user", "callevents", "--tls")
    made = answer(*SET, *wanted, "--secret", "-", input="geheim\n")
    assert (made["kind"], made["port"], made["uses_tls"]) == ("asterisk", 5038, True)
    changed = answer(*SET, "--disabled", "--pattern", "1..")
    assert (changed["host"], changed["enabled"]) == ("10.0.0.5", False)
    shown = run("pbx", "connector", "show", "head-office")
    assert "extension_pattern: 1.." in shown.stdout
    assert "geheim" not in shown.stdout + str(made) + str(changed)
    assert answer("pbx", "connector", "remove", "head-office") == {"removed": "head-office"}
    check_failure(run("pbx", "connector", "show", "head-office"), "Head office has no connector.")


def test_another_kind_has_another_port(pbx: Pbx, answer: Callable[..., Any]) -> None:
    """A new kind gets its default port."""
    answer(*SET, "--kind", "asterisk", "--host", "pbx", "--user", "u", "--secret", "s")
    changed = answer(*SET, "--kind", "freeswitch", "--secret", "ClueCon")
    assert (changed["kind"], changed["port"], changed["host"]) == ("freeswitch", 8021, "pbx")


def test_a_domain_is_freeswitchs(pbx: Pbx, answer: Callable[..., Any]) -> None:
    """It is kept when it is omitted, and goes with the kind."""
    set_one = (*SET, "--kind", "freeswitch", "--host", "pbx", "--secret", "s")
    assert answer(*set_one, "--domain", "a.example.com")["domain"] == "a.example.com"
    assert answer(*SET, "--pattern", "1..")["domain"] == "a.example.com"
    changed = answer(*SET, "--kind", "asterisk", "--user", "u", "--secret", "s")
    assert changed["domain"] == ""


def test_what_is_missing_is_named(pbx: Pbx, run: Run) -> None:
    """A new connector requires a kind, and each invalid field has a message."""
    result = run(*SET, "--host", "pbx")
    assert result.exit_code == 2
    assert "Missing option --kind (asterisk or freeswitch)." in result.stderr
    result = run(*SET, "--kind", "freeswitch", "--port", "0")
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "Error",
        "port",
        "secret",
    ]
