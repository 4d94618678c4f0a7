"""Users, sessions and roles in a database that is downgraded, and upgraded again."""

import pyotp
from alembic import command
from alembic.config import Config
from flask import Flask
from sqlalchemy import select, text

from callevents.db.models import Pbx, User, UserIdentity
from callevents.db.session import begin_write
from callevents.enums import Role, SignInMethod
from callevents.extensions import db
from callevents.users import sessions, users
from callevents.users.delays import Client
from callevents.users.grants import NewGrant, set_grants
from callevents.users.second_factor import app_codes, recovery_codes, second_factor
from callevents.users.sign_in import finish, verify_password
from tests.db.test_migrations import config, tables

__all__ = ["config"]

#: The key of an app.
SECRET = pyotp.random_base32()


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
