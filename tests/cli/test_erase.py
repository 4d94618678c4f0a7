"""`flask erase` erases what is stored of calls with a number."""

from collections.abc import Callable
from typing import Any

import pytest

from callevents.db.models import CallEvent, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.cli.conftest import Run
from tests.conftest import Configure

NUMBER = "0612345678"


@pytest.fixture
def called(pbx: Pbx, other_pbx: Pbx) -> None:
    """A call with the number for each of two PBXs."""
    begin_write()
    for one in (pbx, other_pbx):
        report = Report(event_type=EventType.DIAL_IN, extension="7", call_id="c", peer=NUMBER)
        accept(one, [report])
    db.session.commit()


def events() -> int:
    return db.session.query(CallEvent).count()


@pytest.mark.usefixtures("called")
def test_erase(run: Run, answer: Callable[..., Any]) -> None:
    """Asks first; a dry run only counts; one PBX or all."""
    tried = answer("erase", "--number", NUMBER, "--dry-run")
    assert (tried["events"], tried["kept_in"], events()) == (2, [], 2)
    refused = run("erase", "--number", NUMBER, input="n\n")
    assert (refused.exit_code, events()) == (1, 2)
    assert answer("erase", "--number", NUMBER, "--pbx", "branch", "--yes")["events"] == 1
    done = run("erase", "--number", NUMBER, input="y\n")
    assert done.stdout.endswith(
        "Erased 1 call event, 0 deliveries, 0 attempts, 0 rejected reports, "
        "0 suggested extensions and 0 notifications.\n"
    )
    assert events() == 0


def test_what_is_kept(run: Run, configure: Configure) -> None:
    """Settings with the number are named."""
    configure.extension(NUMBER)
    text = run("erase", "--number", NUMBER, "--yes").stdout
    assert "These still have the number: extension 0612345678" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [(("--number", " "), "Enter a number"), (("--number", "1", "--pbx", "x"), "There is no PBX")],
)
def test_invalid(arguments: tuple[str, ...], problem: str, run: Run) -> None:
    """What is wrong is said, and nothing is erased."""
    result = run("erase", *arguments, "--yes")
    assert (result.exit_code, problem in result.stderr) == (1, True)
