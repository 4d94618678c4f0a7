"""`flask extensions import` and `flask extensions add-range`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from callevents.db.models import Pbx
from callevents.pbxs.extensions import list_extensions
from tests.cli.conftest import Run


def test_import(run: Run, answer: Callable[..., Any], pbx: Pbx, tmp_path: Path) -> None:
    """Good lines are added, bad ones printed; a dry run adds nothing."""
    file = tmp_path / "extensions.csv"
    file.write_text("number,name\n101,Ann\n,Nobody\n101,Again\n102,Bo\n")
    command = ("extensions", "import", "head-office", str(file))
    tried = run(*command, "--dry-run")
    assert tried.output.splitlines() == [
        "Would add 2 extensions. 0 existed already.",
        "Line 3: Number: Enter the extension's number.",
        "Line 4: The number 101 is in line 2 already.",
    ]
    assert not list_extensions(pbx)
    done = answer(*command)
    assert (done["added"], [one["line"] for one in done["problems"]]) == (2, [3, 4])
    assert [(one.number, one.name) for one in list_extensions(pbx)] == [
        ("101", "Ann"),
        ("102", "Bo"),
    ]
    file.write_text("number,password\n101,x\n")
    assert "Ignored columns: password." in run(*command, "--dry-run").output
    assert answer(*command, "--dry-run")["ignored_columns"] == ["password"]
    piped = run("extensions", "import", "head-office", "-", input="101\n103\n")
    assert "Added 1 extension. 1 existed already." in piped.output


def test_errors(run: Run, pbx: Pbx, tmp_path: Path) -> None:
    """A missing file, an unknown PBX and a wrong range are messages."""
    missing = run("extensions", "import", "head-office", str(tmp_path / "none.csv"))
    assert (missing.exit_code, "No such file or directory" in missing.output) == (2, True)
    file = tmp_path / "one.csv"
    file.write_text("101")
    assert "There is no PBX" in run("extensions", "import", "nowhere", str(file)).output
    assert "ends before it begins" in run("extensions", "add-range", "head-office", "9", "1").output


def test_range(answer: Callable[..., Any], pbx: Pbx) -> None:
    """A range is added, with leading zeros."""
    tried = answer("extensions", "add-range", "head-office", "098", "102", "--dry-run")
    assert (tried["added"], list_extensions(pbx)) == (5, [])
    assert answer("extensions", "add-range", "head-office", "098", "102")["added"] == 5
    assert next(one.number for one in list_extensions(pbx)) == "098"
