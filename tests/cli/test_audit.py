"""`flask audit`: list with filters, and export."""

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callevents.audit import queries
from callevents.db.models import Pbx
from tests.audit.conftest import actions
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure


def test_list(run: Run, answer: Callable[..., Any], pbx: Pbx) -> None:
    """Newest first, as text or JSON, with the same filters as the page."""
    answer("extensions", "add", "head-office", "101", "--name", "Ana")
    [entry] = answer("audit", "list", "--who", getpass.getuser(), "--limit", "1")
    assert entry["action"] == "extension.added"
    assert entry["actor"] == {
        "kind": "command",
        "id": "flask extensions add",
        "name": getpass.getuser(),
        "address": "",
    }
    assert entry["object"]["name"] == "101"
    assert entry["after"] == {"number": "101", "name": "Ana"}
    assert entry["pbx_id"] == pbx.id
    text = run("audit", "list", "--pbx", "head-office").stdout.splitlines()
    assert text[0].split() == ["at", "who", "address", "action", "object", "changes"]
    assert "flask extensions add" in text[1]
    assert "number: 101, name: Ana" in text[1]
    assert len(text) == 1 + 3
    for given, count in (
        (("--action", "pbx.added"), 1),
        (("--object", "101"), 1),
        (("--object", f"extension:{entry['extension_id']}"), 1),
        (("--since", "1h"), 3),
        (("--until", "1h"), 0),
        (("--who", "nobody"), 0),
    ):
        assert len(answer("audit", "list", *given)) == count, given


def test_wrong_filters(run: Run, pbx: Pbx) -> None:
    """The message names the option or the value."""
    check_failure(run("audit", "list", "--pbx", "x"), "There is no PBX 'x'.")
    result = run("audit", "list", "--action", "x")
    assert result.exit_code == 2
    assert "Unknown action 'x'. The actions are: pbx.added," in result.stderr
    assert run("audit", "list", "--since", "yesterday").exit_code == 2
    assert run("audit", "list", "--who", "a\0").exit_code == 2


def test_export(run: Run, pbx: Pbx, tmp_path: Path, monkeypatch: Any) -> None:
    """All entries, oldest first, each on a line; also in several batches, and to a file."""
    monkeypatch.setattr(queries, "BATCH", 2)
    lines = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert [line["action"] for line in lines] == actions()
    assert lines[-1]["action"] == "export.made"
    path = tmp_path / "history.jsonl"
    assert run("audit", "export", "--pbx", "head-office", "--output", str(path)).stdout == ""
    found = [json.loads(line)["action"] for line in path.read_text().splitlines()]
    assert found == ["pbx.added", "token.added"]
    result = run("audit", "export", "--output", str(tmp_path / "missing" / "x"))
    assert result.exit_code == 1
    assert "missing/x" in result.stderr


def test_no_command_changes_an_entry(run: Run) -> None:
    """There are only commands that read."""
    help_text = run("audit", "--help").stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in help_text.strip().splitlines()] == ["export", "list"]
