"""`flask config export|import|diff`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callevents.db.models import Extension, Hook, Pbx
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


def test_secrets_with_a_passphrase(pbx: Pbx, run: Run, file: Path, tmp_path: Path) -> None:
    """They are in the export only if asked for, and set only if asked for."""
    secret = "https://crm.example.com/?token=tok-4711-secret"
    file.write_text(FILE.replace("https://crm.example.com/", secret))
    run("config", "import", str(file))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase of tests\n")
    option = ("--secrets", "--passphrase-file", str(passphrase))
    exported = run("config", "export", *option).stdout
    assert "secrets:" in exported
    assert "tok-4711" not in exported
    assert "secrets:" not in run("config", "export").stdout
    plain = run("config", "import", "-", input=exported)
    assert plain.stdout == "Nothing differs.\n"
    assert "Add --secrets to set them." in plain.stderr
    assert run("config", "import", "-", *option, input=exported).stdout == "Nothing differs.\n"
    hook = db.session.scalars(select(Hook)).one()
    hook.url = secret.replace("4711", "1234")
    db.session.commit()
    assert "secrets" in run("config", "import", "-", *option, input=exported).stdout
    db.session.expire_all()
    assert hook.url == secret
    passphrase.write_text("")
    short = run("config", "export", *option)
    assert (short.exit_code, short.output) == (
        1,
        "Error: passphrase: Must be at least 12 characters.\n",
    )
    without = run("config", "import", str(file), *option)
    assert "This document was exported without secrets." in without.output


def test_the_passphrase_is_asked_for(pbx: Pbx, run: Run, file: Path) -> None:
    """Twice for an export, so that a typing error does not lose the secrets."""
    run("config", "import", str(file))
    typed = "a passphrase of tests\n"
    assert "secrets:" in run("config", "export", "--secrets", input=typed * 2).stdout
    assert run("config", "export", "--secrets", input=typed + "another one\n").exit_code == 1


def test_diff_shows_the_values(pbx: Pbx, run: Run, file: Path) -> None:
    """As a diff of two files, and with its exit code."""
    run("config", "import", str(file))
    file.write_text(run("config", "export").stdout)
    same = run("config", "diff", str(file))
    assert (same.exit_code, same.stdout) == (0, "Nothing differs.\n")
    file.write_text(file.read_text().replace("method: GET", "method: POST"))
    other = run("config", "diff", str(file))
    assert other.exit_code == 1
    changed = [line.strip() for line in other.stdout.splitlines() if "method" in line]
    assert [" ".join(line.split()) for line in changed] == ["- method: GET", "+ method: POST"]
    assert run("config", "diff", str(file), "--pbx", "head-office").stdout == other.stdout


def test_diff_with_a_receiver(pbx: Pbx, run: Run, file: Path) -> None:
    """Receivers are compared too."""
    answers = ("--set", "address=https://help.example.com", "--set", "token=-")
    assert (
        run("receivers", "add", "Help", "--recipe", "zammad", *answers, input="t\n").exit_code == 0
    )
    file.write_text(run("config", "export").stdout)
    assert run("config", "diff", str(file)).stdout == "Nothing differs.\n"
    file.write_text(file.read_text().replace("name: Help", "name: Desk"))
    changed = run("config", "diff", str(file)).stdout
    assert "+  name: Desk" in changed.splitlines()
