"""`flask config export|import`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callevents.db.models import Extension, Pbx
from callevents.extensions import db
from tests.cli.conftest import Run

FILE = """\
version: 1
pbxs:
  - slug: head-office
    name: Head office
    extensions:
      - number: "101"
        hooks:
          - event: dial-in
            url: https://crm.example.com/
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A document in a file."""
    path = tmp_path / "calls.yaml"
    path.write_text(FILE)
    return path


def count_extensions() -> int:
    """Return the number of extensions."""
    return db.session.scalar(select(func.count()).select_from(Extension)) or 0


def test_import_lists_the_changes(
    pbx: Pbx, answer: Callable[..., Any], run: Run, file: Path
) -> None:
    """A dry run makes none of them; a second import has none."""
    expected = [
        {"done": "added", "object": kind, "name": name, "fields": "", "missing_secrets": ""}
        for kind, name in (("extension", "head-office 101"), ("hook", "head-office 101 dial-in"))
    ]
    assert answer("config", "import", str(file), "--dry-run") == expected
    assert count_extensions() == 0
    assert answer("config", "import", str(file)) == expected
    assert count_extensions() == 1
    assert answer("config", "import", "-", input=FILE) == []
    assert "Nothing differs." in run("config", "import", str(file)).output


def test_export_is_what_import_takes(pbx: Pbx, run: Run, file: Path) -> None:
    """YAML by default, JSON on request; of one PBX, or all."""
    run("config", "import", str(file))
    text = run("config", "export").stdout
    assert "number: '101'" in text
    assert run("config", "export", "--pbx", "head-office").stdout == text
    as_json = run("config", "export", "--json").stdout
    assert as_json.startswith("{")
    for document in (text, as_json):
        assert (
            run("config", "import", "-", "--prune", input=document).stdout == "Nothing differs.\n"
        )


def test_errors_say_where(pbx: Pbx, run: Run, tmp_path: Path) -> None:
    """The place in the file, and nothing is changed."""
    done = run("config", "import", "-", input=FILE.replace("https:", "gopher:"))
    assert done.exit_code == 1
    assert "pbxs/0/extensions/0/hooks/0/url: " in done.output
    assert count_extensions() == 0
    missing = run("config", "import", str(tmp_path / "none.yaml"))
    assert (missing.exit_code, missing.output.startswith("Error: Cannot read ")) == (1, True)
    unknown = run("config", "export", "--pbx", "none")
    assert (unknown.exit_code, unknown.output) == (1, "Error: There is no PBX 'none'.\n")
