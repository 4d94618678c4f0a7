"""Databases of other versions, and files that are none: explained, and not changed."""

import pytest
from flask import Flask
from sqlalchemy import text

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db import schema
from callevents.db.schema import DatabaseError
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.db.test_migrations import tables
from tests.support.log_capture import capture_log


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        ("later", "was created by another version of Call Events"),
        ("0001", "was created by an unreleased development version of Call Events"),
        ("0007", "was created by an unreleased development version of Call Events"),
    ],
)
def test_database_of_another_version(
    app: Flask, settings: Settings, revision: str, sentence: str
) -> None:
    """A database created by another version is not changed, with an error."""
    begin_write()
    known = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    db.session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": revision})
    db.session.commit()
    try:
        assert not schema.is_current(app)
        with pytest.raises(DatabaseError, match=sentence):
            schema.upgrade(app)
    finally:
        begin_write()
        db.session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": known})
        db.session.commit()


def test_database_command_and_a_development_version(app: Flask) -> None:
    """`flask db upgrade` gives the same explanation, and changes nothing."""
    begin_write()
    known = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    db.session.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    db.session.commit()
    try:
        with capture_log() as logged:
            result = app.test_cli_runner().invoke(args=["db", "upgrade"])
        assert result.exit_code == 1
        assert "was created by an unreleased development version" in logged.text
        assert db.session.scalar(text("SELECT version_num FROM alembic_version")) == "0007"
        assert "call_event" in tables()
    finally:
        begin_write()
        db.session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": known})
        db.session.commit()


def test_file_that_is_no_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The error for an invalid file names it."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "calls.sqlite3").write_text("This is a letter and no database. " * 100)
    app = create_app(
        Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'calls.sqlite3'}")
    )
    with pytest.raises(DatabaseError) as caught:
        schema.upgrade(app)
    assert str(caught.value) == (
        f"The database {folder / 'calls.sqlite3'} cannot be used: file is not a database."
    )
    with app.app_context():
        db.engine.dispose()
