"""The migrations: they create the models' tables, and work in both directions with data."""

import json
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy import insert, inspect, select, text

from callevents import create_app
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
    User,
    UserIdentity,
    utc_now,
)
from callevents.db.schema import DatabaseError
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.attempts import list_attempts
from callevents.delivery.http.client import Response
from callevents.delivery.log.queries import get_delivery
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import ConnectorKind, EventType, Method, Role, SignInMethod
from callevents.extensions import Base, db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import connectors, pbxs, quotas, removal, tokens
from callevents.pbxs.connectors import ConnectorConfig
from callevents.users import sessions, users
from callevents.users.delays import Client
from callevents.users.grants import NewGrant, set_grants
from callevents.users.second_factor import app_codes, recovery_codes, second_factor
from callevents.users.sign_in import finish, verify_password
from tests.conftest import Configure
from tests.support import claims
from tests.support.log_capture import capture_log

#: The key of an app.
SECRET = pyotp.random_base32()
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


def test_sessions_with_data(config: Config, app: Flask) -> None:
    """Users outlive both ways of the migration that adds sessions, and can sign in afterwards."""
    begin_write()
    user = users.add_user("ana", "correct horse", Role.ADMIN)
    sessions.start_session(user, "Firefox", "192.0.2.1")
    db.session.commit()
    db.session.remove()
    try:
        command.downgrade(config, "0010")
        assert "user_session" not in tables()
        begin_write()
        columns = "username, password_hash, role, session_version, created_at"
        db.session.execute(
            text(
                f"INSERT INTO user_account ({columns}) "
                "SELECT 'bob', password_hash, 'viewer', session_version + 6, created_at "
                "FROM user_account"
            )
        )
        db.session.commit()
        versions = text("SELECT username, session_version FROM user_account ORDER BY username")
        assert db.session.execute(versions).all() == [("ana", 1), ("bob", 7)]
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    begin_write()
    for name, role in (("ana", Role.ADMIN), ("bob", Role.VIEWER)):
        found = finish(verify_password(name, "correct horse", Client("192.0.2.1")))
        assert [grant.role for grant in found.grants] == [role]
        assert sessions.list_sessions(found) == []
        assert sessions.find_session(sessions.start_session(found, "Firefox", "192.0.2.1"))
    db.session.rollback()


def test_grants_with_data(config: Config, app: Flask, pbx: Pbx) -> None:
    """Users keep their roles; going back removes those who would see more than they may."""
    begin_write()
    for name, role in (("ana", Role.ADMIN), ("bob", Role.VIEWER), ("cyd", Role.VIEWER)):
        users.add_user(name, "correct horse", role)
    found = users.find_user("cyd")
    assert found
    set_grants(found, [NewGrant(Role.ADMIN, pbx)])
    db.session.commit()
    db.session.remove()
    try:
        command.downgrade(config, "0014")
        stored = text("SELECT username, role FROM user_account ORDER BY username")
        assert db.session.execute(stored).all() == [("ana", "admin"), ("bob", "viewer")]
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    for name, role in (("ana", Role.ADMIN), ("bob", Role.VIEWER)):
        kept = users.find_user(name)
        assert kept
        assert [(grant.role, grant.pbx_id) for grant in kept.grants] == [(role, None)]


def test_second_factor_with_data(config: Config, app: Flask) -> None:
    """Sessions outlive both ways; down again the password alone is enough."""
    begin_write()
    user = users.add_user("ana", "correct horse", Role.ADMIN)
    app_codes.set_up(user, SECRET, pyotp.TOTP(SECRET).now())
    recovery_codes.renew(user)
    token = sessions.start_session(user, "Firefox", "192.0.2.1", SignInMethod.PASSKEY)
    db.session.commit()
    db.session.remove()
    try:
        command.downgrade(config, "0014")
        assert not {"app_key", "recovery_code", "passkey", "spent_challenge"} & tables()
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    found = sessions.find_session(token)
    assert found
    assert (found.method, found.provider) == (SignInMethod.PASSWORD, "")
    assert not second_factor.has_any(found.user)


def test_single_sign_on_with_data(config: Config, app: Flask) -> None:
    """Users of single sign-on stay, and in neither version does a password sign them in."""
    begin_write()
    user = User(username="olga", password_hash="")
    db.session.add(user)
    set_grants(user, [NewGrant(Role.ADMIN)])
    db.session.add(UserIdentity(user_id=user.id, issuer="https://login.example", subject="42"))
    db.session.commit()
    db.session.remove()
    hashes = text("SELECT password_hash FROM user_account")
    try:
        command.downgrade(config, "0021")
        assert "user_identity" not in tables()
        # Former versions compared an empty hash with the one for unknown users.
        assert db.session.scalars(hashes).all() == ["!"]
        db.session.remove()
    finally:
        command.upgrade(config, "head")
    command.check(config)
    assert db.session.scalars(hashes).all() == [""]
    assert db.session.scalars(select(UserIdentity)).all() == []


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
