"""Commands and the database: set up by the first one, of another version, or not available."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure
from tests.support.database_faults import lost_connection, missing_table
from tests.support.programs import find_free_port


@pytest.mark.parametrize("command", ["web", "worker", "listen"])
def test_processes_refuse_a_database_of_a_development_version(
    run: Run, app: Flask, command: str
) -> None:
    """They would write to tables that mean something else."""
    begin_write()
    known = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    db.session.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    db.session.commit()
    try:
        result = run(command)
    finally:
        begin_write()
        db.session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": known})
        db.session.commit()
    assert result.exit_code == 1
    assert "was created by an unreleased development version" in result.stderr


def test_database_that_is_not_set_up(run: Run, pbx: Pbx) -> None:
    """A configured database without this version's tables is not changed; the message says so."""
    db.session.rollback()
    with missing_table(db.engine, "alembic_version"):
        result = run("pbx", "list")
    check_failure(result, "The database is not set up for this version. Run: flask db upgrade")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Flask]:
    """An application on a new SQLite file in its data folder."""
    app = create_app(Settings(data_dir=tmp_path))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_own_database_is_set_up_by_the_first_command(alone: Flask, tmp_path: Path) -> None:
    """The first command creates the tables of SQLite in the data folder, and says so, once."""
    result = alone.test_cli_runner().invoke(args=["pbx", "list", "--json"])
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert result.stderr == (
        f"This is a new installation, with its data in {tmp_path}. To use another one, set "
        "CALLEVENTS_DATA_DIR to its data folder.\n"
    )
    assert alone.test_cli_runner().invoke(args=["pbx", "list"]).stderr == ""
    with alone.app_context():
        assert db.session.query(Hook).all() == []


def test_database_that_does_not_answer(tmp_path: Path) -> None:
    """The message names host and database, not the password."""
    port = find_free_port()
    url = f"postgresql://robot:geheim@127.0.0.1:{port}/calls"
    app = create_app(Settings(data_dir=tmp_path, database_url=url))
    result = app.test_cli_runner().invoke(args=["pbx", "list"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"The database calls on 127.0.0.1:{port} cannot be used: " in result.stderr
    assert "geheim" not in result.stderr
    with app.app_context():
        db.engine.dispose()


def test_database_that_fails_during_the_command(run: Run, pbx: Pbx) -> None:
    """A database failure during the command is a message too."""
    db.session.rollback()
    if db.engine.dialect.name == "sqlite":
        with missing_table(db.engine, "pbx"):
            result = run("pbx", "list")
    else:
        with lost_connection(db.engine, "SELECT pbx."):
            result = run("pbx", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The database is unavailable: ")
    assert "Traceback" not in result.stderr
