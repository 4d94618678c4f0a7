"""The migrations: they make the models' tables, and can go back and forth with data."""

from collections.abc import Iterable

import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy import inspect, select, text

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db import schema
from callevents.db.models import Delivery, Hook, Origin, Pbx, find_lane
from callevents.db.schema import DatabaseError
from callevents.db.session import begin_write
from callevents.delivery.request.url import check_url
from callevents.enums import EventType
from callevents.extensions import Base, db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.support.claims import claim, load


@pytest.fixture
def config(app: Flask) -> Config:
    """Alembic's configuration of the application."""
    found: Config = app.extensions["migrate"].migrate.get_config()
    return found


def tables() -> set[str]:
    """Return the names of the tables that exist."""
    db.session.rollback()
    return set(inspect(db.engine).get_table_names())


def test_models_and_migrations_agree(config: Config) -> None:
    """Alembic finds nothing that a migration would have to add."""
    command.check(config)


@pytest.mark.slow
def test_down_and_up_with_data(app: Flask, config: Config, pbx: Pbx, configure: Configure) -> None:
    """A database in use goes down to nothing and up again, and works as before."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "http://a/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()
    ours = {table.name for table in Base.metadata.sorted_tables}
    assert ours < tables()
    try:
        command.downgrade(config, "base")
        assert tables() == {"alembic_version"}
        assert not schema.is_current(app)
    finally:
        command.upgrade(config, "head")
    assert tables() == ours | {"alembic_version"}
    assert schema.is_current(app)
    command.check(config)
    assert db.session.scalars(select(Pbx)).all() == []
    begin_write()
    fresh = Pbx(slug="x", name="x")
    db.session.add(fresh)
    db.session.flush()
    assert accept(fresh, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()


URLS = {
    "http://a.example/x?y=1": "http://a.example:80",
    "http://a.example:80/z": "http://a.example:80",
    "https://a.example/": "https://a.example:443",
    "https://a.example:8443/": "https://a.example:8443",
    "http://[2001:db8::1]/": "http://[2001:db8::1]:80",
    "https://[2001:db8::1]:8080/q": "https://[2001:db8::1]:8080",
    "https://m\u00fcnchen.example/": "https://xn--mnchen-3ya.example:443",
}
STATES = ("pending", "delivered", "failed", "cancelled")


def list_deliveries() -> dict[str, Delivery]:
    """Return all deliveries as they are stored now, by id."""
    db.session.rollback()
    return {one.id: one for one in db.session.scalars(select(Delivery).order_by(Delivery.id))}


def test_first_deliveries_get_origins_lanes_and_ends(
    config: Config, pbx: Pbx, configure: Configure
) -> None:
    """What the first version had accepted keeps its facts, gets its place, and goes out."""
    for url in URLS:
        configure.hook("*", EventType.DIAL_IN, url)
    begin_write()
    accept(
        pbx,
        [
            Report(event_type=EventType.DIAL_IN, extension=f"10{place}", call_id=call_id)
            for place, call_id in enumerate(["c1", "c1", "", "Zo\u00eb"])
        ],
    )
    db.session.commit()
    before = list_deliveries()
    facts = ("event_type", "extension", "call_id", "happened_at", "expires_at", "created_at")
    known = {key: [getattr(one, name) for name in facts] for key, one in before.items()}
    urls = {key: one.url for key, one in before.items()}
    pbx_id = pbx.id
    try:
        db.session.rollback()
        command.downgrade(config, "0001")
        begin_write()
        for place, url in enumerate(sorted(set(urls.values()))):
            db.session.execute(
                text("UPDATE delivery SET state = :state, attempts = :attempts WHERE url = :url"),
                {"state": STATES[place % 4], "attempts": place % 3, "url": url},
            )
        db.session.execute(text("DELETE FROM hook WHERE url LIKE 'https://a.example:8443%'"))
        db.session.commit()
    finally:
        command.upgrade(config, "head")
    after = list_deliveries()
    assert {key: [getattr(one, name) for name in facts] for key, one in after.items()} == known
    check_places(after.values(), pbx_id)
    assert {one.state.value for one in after.values()} == set(STATES)
    check_that_they_go_out(after)
    command.check(config)


def check_places(deliveries: Iterable[Delivery], pbx_id: int) -> None:
    """Check origins and lanes: what comes now must find what is there already."""
    names = {origin.id: origin.name for origin in db.session.scalars(select(Origin))}
    assert sorted(names.values()) == sorted(set(URLS.values()))
    wire = {check_url(url).url: origin for url, origin in URLS.items()}
    for one in deliveries:
        assert names[one.origin_id] == wire[one.url]
        assert one.lane == find_lane(pbx_id, one.call_id, one.origin_id, in_order=True)
        assert (one.lane is None) == (one.call_id == "")
        assert one.is_retry == (one.attempts > 0)
        assert (one.parked, one.attempts_before, one.resent_at) == (False, 0, None)
    for hook in db.session.scalars(select(Hook)):
        assert hook.origin_id == hooks.find_origin(hook.url)
        assert (hook.in_order, hook.give_up_seconds, hook.suspended_at) == (True, 86400, None)
    db.session.rollback()


def check_that_they_go_out(deliveries: dict[str, Delivery]) -> None:
    """Check that of the pending ones the first of each call are claimed and become requests."""
    pending = {key: one for key, one in deliveries.items() if one.state.value == "pending"}
    lanes: set[int] = set()
    firsts = set()
    for key, one in sorted(pending.items(), key=lambda item: (item[1].happened_at, item[0])):
        if one.lane is None or one.lane not in lanes:
            firsts.add(key)
        if one.lane is not None:
            lanes.add(one.lane)
    claimed = claim()
    assert claimed.keys() == firsts
    assert {one.delivery_id for one in load(claimed)} == firsts
    db.session.rollback()


def test_upgrading_twice_changes_nothing(app: Flask, pbx: Pbx) -> None:
    """An upgrade of what is up to date keeps everything."""
    db.session.rollback()
    schema.upgrade(app)
    assert [one.slug for one in db.session.scalars(select(Pbx))] == ["head-office"]


def test_database_of_a_later_version(app: Flask, settings: Settings) -> None:
    """A database that another version has set up is left alone, with a sentence."""
    begin_write()
    known = db.session.scalar(text("SELECT version_num FROM alembic_version"))
    db.session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    db.session.commit()
    try:
        assert not schema.is_current(app)
        with pytest.raises(DatabaseError, match="was set up by another version of Call Events"):
            schema.upgrade(app)
    finally:
        begin_write()
        db.session.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": known})
        db.session.commit()


def test_file_that_is_no_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is no database is told as that, by the file's name."""
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
