"""`flask groups`."""

from collections.abc import Callable
from typing import Any

from callevents.db.models import Pbx
from callevents.enums import EventType
from tests.cli.conftest import Run
from tests.conftest import Configure


def test_groups(run: Run, answer: Callable[..., Any], pbx: Pbx, configure: Configure) -> None:
    """Groups are added, listed, changed and removed; requests are chosen by them."""
    for number in ("101", "102", "201"):
        configure.extension(number)
    configure.hook("101", EventType.HANGUP, "https://crm.example.com/")
    add = ("groups", "add", "head-office", "Sales", "--pattern", "1..", "--members", "201")
    assert "Added group Sales: 3 members." in run(*add).output
    assert "already has a group 'Sales'" in run(*add).output
    assert answer("groups", "list", "head-office") == [
        {"name": "Sales", "pattern": "1..", "members": 3}
    ]
    changed = answer("groups", "set", "head-office", "Sales", "--pattern", "", "--name", "All")
    assert (changed["name"], changed["members"]) == ("All", ["201"])
    answer("groups", "set", "head-office", "All", "--members", "101-102")
    answer("groups", "set", "head-office", "All", "--template", "201")
    shown = answer("groups", "show", "head-office", "All")
    assert shown["template"] == "201"
    assert (shown["members"], shown["chosen"]) == (["101", "102"], ["101", "102"])
    assert len(answer("hooks", "list", "--where", "group=All")) == 1
    assert "members: 101, 102" in run("groups", "show", "head-office", "All").output
    assert "Removed group All." in run("groups", "remove", "head-office", "All").output
    missing = run("groups", "remove", "head-office", "All")
    assert (missing.exit_code, "no group 'All'" in missing.output) == (1, True)
