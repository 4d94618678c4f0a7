"""The migrations: they create the models' tables, and work in both directions with data."""

import json
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy import insert, inspect, select, text

from callevents.config.settings import Settings
from callevents.db import schema
from callevents.db.models import (
    Attempt,
    CallEvent,
    Connector,
    Delivery,
    MinuteStatistics,
    Pbx,
    Removal,
    utc_now,
)
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.attempts import list_attempts
from callevents.delivery.http.client import Response
from callevents.delivery.log.queries import get_delivery
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import ConnectorKind, EventType, Method
from callevents.extensions import Base, db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import connectors, pbxs, quotas, removal, tokens
from callevents.pbxs.connectors import ConnectorConfig
from tests.conftest import Configure
from tests.support import claims

#: More than the migration reads at once.
MANY_ATTEMPTS = 1200


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
    """A database in use is downgraded to nothing and upgraded again, and works as before."""
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


def test_late_events_with_data(config: Config, app: Flask, pbx: Pbx) -> None:
    """Events and connectors that exist are not late, have seen all legs, and are of no domain."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    connectors.set_connector(
        pbx,
        ConnectorConfig(kind=ConnectorKind.FREESWITCH, host="pbx", port=8021, secret="s"),
    )
    db.session.commit()
    db.session.remove()
    try:
        command.downgrade(config, "0012")
        columns = inspect(db.engine).get_columns("connector")
        assert {"domain", "unseen_legs"}.isdisjoint(column["name"] for column in columns)
    finally:
        command.upgrade(config, "head")
    command.check(config)
    assert db.session.scalars(select(CallEvent.is_late)).all() == [False]
    connector = db.session.scalars(select(Connector)).one()
    assert (connector.domain, connector.unseen_legs) == ("", 0)


def test_removal_and_quotas_with_data(config: Config, app: Flask, pbx: Pbx, other_pbx: Pbx) -> None:
    """PBXs that exist have no quota and are in use; one being removed ends with the downgrade."""
    begin_write()
    pbxs.set_format(pbx, "kamailio")
    removal.begin_removal(other_pbx, "branch")
    db.session.commit()
    db.session.remove()
    try:
        command.downgrade(config, "0014")
        assert {"unknown_token", "removed_pbx"}.isdisjoint(tables())
        slugs = db.session.scalars(text("SELECT slug FROM pbx")).all()
        assert slugs == ["head-office"]
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    [found] = pbxs.list_pbxs()
    assert (found.slug, found.format) == ("head-office", "kamailio")
    assert [one.limit for one in quotas.load_usage(found)] == [None] * 4
    [token] = tokens.list_tokens(found)
    assert (token.last_used_at, token.last_used_address) == (None, "")
    # Users know the token by the ID that it had before.
    assert token.public_id == token.id
    assert removal.list_removing() == []


def test_smaller_attempts_with_data(
    config: Config, app: Flask, pbx: Pbx, configure: Configure
) -> None:
    """Attempts are shown the same after the migration in both directions, byte for byte."""
    page = "".join(f"<td>Zoë {number}</td>\n" for number in range(400))
    delivery_id = make_attempts(pbx, configure, page)
    before = shown_attempts(delivery_id)
    assert {one["response_body"] for one in before} == {page}
    assert {one["url"] for one in before} == {"http://a/"}
    try:
        command.downgrade(config, "0013")
        query = (
            "SELECT url, request_body, response_body, CAST(request_headers AS TEXT) FROM attempt"
        )
        rows = db.session.execute(text(query)).all()
        assert len(rows) == len(before)
        assert {row[:3] for row in rows} == {("http://a/", before[0]["request_body"], page)}
        assert all(json.loads(row[3]) == before[0]["request_headers"] for row in rows)
        assert "ix_delivery_origin_id_id" in indexes("delivery")
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    assert shown_attempts(delivery_id) == before
    assert "ix_delivery_origin_id_id" not in indexes("delivery")


def test_conditions_of_open_indexes_with_data(
    config: Config, app: Flask, pbx: Pbx, configure: Configure
) -> None:
    """Open deliveries are found after the migration in both directions."""
    configure.hook("*", EventType.DIAL_IN, "http://a/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    db.session.commit()
    after = conditions("delivery")
    assert len({one for one in after.values() if "||" in one and "pending" in one}) == 5, after
    db.session.remove()
    try:
        command.downgrade(config, "0014")
        before = conditions("delivery")
        later = {name for name in after if "held" in name or "skipped" in name}
        assert before.keys() == after.keys() - later
        assert not any("||" in one for one in before.values())
        assert sum("'pending'" in one for one in before.values()) == 5
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    assert conditions("delivery") == after
    assert len(claims.claim()) == 1


def conditions(table: str) -> dict[str, str]:
    """Return the conditions of the table's partial indexes, by their names."""
    db.session.rollback()
    dialect = db.engine.dialect.name
    found: dict[str, str] = {}
    for one in inspect(db.engine).get_indexes(table):
        condition = one.get("dialect_options", {}).get(f"{dialect}_where")
        if condition is not None:
            found[str(one["name"])] = str(condition)
    return found


def test_held_deliveries_with_data(
    config: Config, app: Flask, pbx: Pbx, configure: Configure
) -> None:
    """Down, held deliveries are cancelled with a reason, and removals are final."""
    held = configure.hook("*", EventType.DIAL_IN, "http://held/")
    gone = configure.hook("*", EventType.DIAL_IN, "http://gone/")
    configure.hook("*", EventType.DIAL_IN, "http://open/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101")])
    hooks.set_active(held, active=False)
    hooks.clear_hooks([gone])
    minute = {"pbx_id": 0, "minute": utc_now(), "events": 1, "pending": 1, "held": 2}
    minute |= {"delivered": 0, "failed": 0, "cancelled": 3, "latencies": []}
    db.session.execute(insert(MinuteStatistics), minute)
    db.session.commit()
    db.session.remove()
    try:
        command.downgrade(config, "0014")
        assert "removal" not in tables()
        assert "ix_delivery_pbx_held" not in indexes("delivery")
        query = text("SELECT url, state FROM delivery ORDER BY url")
        states = [("http://gone/", "cancelled"), ("http://held/", "cancelled")]
        assert db.session.execute(query).all() == [*states, ("http://open/", "pending")]
        assert db.session.scalar(text("SELECT cancelled FROM minute_statistics")) == 5
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    for one in db.session.scalars(select(Delivery).where(Delivery.state != "pending")):
        assert one.error.startswith("Cancelled by a downgrade: ")
        assert one.finished_at is not None
        assert abs(utc_now() - one.finished_at) < timedelta(minutes=1)
    assert db.session.scalars(select(MinuteStatistics.held)).all() == [0]
    assert db.session.scalars(select(Removal)).all() == []


def make_attempts(pbx: Pbx, configure: Configure, page: str) -> str:
    """Record attempts of a delivery that all got this page in response; return its id."""
    configure.hook("*", EventType.DIAL_IN, "http://a/", Method.POST)
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101", caller_name="Zoë")])
    db.session.commit()
    now = utc_now()
    [claim] = claims.load(claims.claim(now=now))
    outcome = Outcome(claim, Response(now, 1, "No.", 500, [["Server", "x"]], body=page))
    for _ in range(2):
        with write_transaction(db.engine) as connection:
            record(connection, [outcome], now, Settings())
    begin_write()
    repeated = select(Attempt.__table__).where(Attempt.number == 2)
    row = db.session.execute(repeated).one()._asdict()
    rows = [{**row, "number": number} for number in range(3, MANY_ATTEMPTS)]
    db.session.execute(insert(Attempt), rows)
    db.session.commit()
    return claim.delivery_id


def shown_attempts(delivery_id: str) -> list[dict[str, Any]]:
    """Return all values of the delivery's attempts, as pages show them."""
    db.session.remove()
    names = Attempt.__table__.columns.keys()
    found = list_attempts(get_delivery(delivery_id))
    values = [{name: getattr(one, name) for name in names} for one in found]
    db.session.remove()
    return values


def indexes(table: str) -> set[str | None]:
    """Return the names of the table's indexes."""
    db.session.rollback()
    return {one["name"] for one in inspect(db.engine).get_indexes(table)}


def test_upgrading_twice_changes_nothing(app: Flask, pbx: Pbx) -> None:
    """An upgrade of a current database keeps everything."""
    db.session.rollback()
    schema.upgrade(app)
    assert [one.slug for one in db.session.scalars(select(Pbx))] == ["head-office"]
