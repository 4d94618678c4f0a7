"""The database's state: set up, up to date, reachable."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.schema import DatabaseError, is_current, upgrade
from callevents.extensions import db
from tests.conftest import SECRET_KEY


@pytest.fixture
def new_app(tmp_path: Path) -> Iterator[Flask]:
    """The application on a database that has not been set up."""
    app = create_app(Settings(data_dir=tmp_path, secret_key=SECRET_KEY))
    yield app
    with app.app_context():
        db.engine.dispose()


def test_upgrade(new_app: Flask) -> None:
    """An empty database is not current, then it is; doing it again changes nothing."""
    assert not is_current(new_app)
    upgrade(new_app)
    assert is_current(new_app)
    upgrade(new_app)
    assert is_current(new_app)


def test_later_version(new_app: Flask, tmp_path: Path) -> None:
    """A database of a later version is not touched; the sentence says what is wrong."""
    upgrade(new_app)
    engine = create_engine(f"sqlite:///{tmp_path / 'callevents.sqlite3'}")
    with engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.commit()
    engine.dispose()
    assert not is_current(new_app)
    with pytest.raises(DatabaseError, match=r"created by another version of Call Events.*'9999'"):
        upgrade(new_app)


def test_no_database(new_app: Flask, tmp_path: Path) -> None:
    """A file that is no database is named in a sentence."""
    (tmp_path / "callevents.sqlite3").write_text("this is not what SQLite writes" * 100)
    for use in (upgrade, is_current):
        with pytest.raises(DatabaseError, match=r"callevents\.sqlite3 cannot be used: file is not"):
            use(new_app)


def test_no_server(tmp_path: Path) -> None:
    """A server that does not answer is named, without user and password."""
    url = "postgresql://robot:geheim@127.0.0.1:1/calls"
    app = create_app(Settings(data_dir=tmp_path, database_url=url, secret_key=SECRET_KEY))
    with pytest.raises(DatabaseError, match=r"^The database calls on 127\.0\.0\.1:1 ") as raised:
        is_current(app)
    assert "geheim" not in str(raised.value)
    assert "\n" not in str(raised.value)
