"""Which app asks for a token: secrets, delays after wrong ones, and apps that get none."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update

from callevents.api_access import apps, client_check
from callevents.api_access.app_tokens import issue_to_owner
from callevents.api_access.oauth_error import OAuthError
from callevents.api_access.scopes import ApiScope
from callevents.db.models import OAuthApp, OAuthToken, Pbx, SignInFailure, User, utc_now
from callevents.db.session import begin_write
from callevents.errors import TooManyAttemptsError
from callevents.extensions import db
from callevents.users import delays, lifecycle, users
from tests.support.database_faults import before_statement, meanwhile
from tests.support.oauth_app import AppKey, add_app, add_user, issue_own, scopes_of

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
HERE, ELSEWHERE = "10.0.0.1", "10.9.9.9"
WRONG = "invalid_client"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands still."""
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def check(client_id: str, secret: str, address: str | None = HERE) -> str:
    """Check the client as the route does; return the app's name or the error."""
    db.session.rollback()
    try:
        attempt = client_check.compare(client_id, secret, address)
        begin_write()
        return client_check.finish(attempt).name
    except OAuthError as error:
        return error.code
    except TooManyAttemptsError as error:
        return f"wait {error.wait_seconds}"
    finally:
        db.session.commit()


def fail(client_id: str, times: int, address: str | None = HERE) -> None:
    """Check wrong secrets."""
    for _ in range(times):
        assert check(client_id, "wrong", address) == WRONG


def use_from(key: AppKey, address: str) -> None:
    """Note that the app has been used from that address."""
    begin_write()
    found = update(OAuthApp).where(OAuthApp.id == key.id)
    db.session.execute(found.values(last_used_at=utc_now(), last_used_address=address))
    db.session.commit()


def test_secrets(crm: AppKey) -> None:
    """Only the app's own secret is right."""
    other = add_app("ana", "Fax")
    assert check(crm.id, crm.secret) == "CRM"
    assert check(other.id, other.secret) == "Fax"
    assert check(crm.id, other.secret) == WRONG
    assert check("unknown", crm.secret) == WRONG
    assert check(crm.id, crm.secret.upper()) == WRONG


@pytest.mark.parametrize("bad", ["\0", "a\0b", "\ud800", "é", "x" * 5000, "", "%", "' OR 1=1 --"])
def test_hostile_texts(crm: AppKey, bad: str) -> None:
    """They are wrong, and no error of the database."""
    assert check(bad, crm.secret) == WRONG
    assert check(crm.id, bad) == WRONG


def test_delay_grows(crm: AppKey, clock: time_machine.Traveller) -> None:
    """After four failures each further one doubles the wait, also for the right secret."""
    fail(crm.id, 4)
    for seconds in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300):
        fail(crm.id, 1)
        assert check(crm.id, crm.secret) == f"wait {seconds}"
        clock.shift(timedelta(seconds=seconds))
    assert check(crm.id, crm.secret) == "CRM"


def test_strangers_do_not_lock_out_the_app(crm: AppKey, clock: time_machine.Traveller) -> None:
    """An app's ID is no secret: guesses from other networks, however many, do not delay it."""
    for number in range(30):
        fail(crm.id, 4, f"192.0.2.{number}")
    assert check(crm.id, crm.secret) == "CRM"
    assert check(crm.id, crm.secret, ELSEWHERE) == "CRM"


def test_success_forgives(crm: AppKey, clock: time_machine.Traveller) -> None:
    """The right secret resets what counts for the app, and not what counts for the address."""
    fail(crm.id, 4)
    assert check(crm.id, crm.secret) == "CRM"
    fail(crm.id, 1)
    assert check(crm.id, crm.secret) == "wait 1"
    clock.shift(timedelta(seconds=1))
    assert check(crm.id, crm.secret) == "CRM"


def test_address_counts_for_all_apps(crm: AppKey, clock: time_machine.Traveller) -> None:
    """Who tries many IDs at one address is delayed there with each of them."""
    for number in range(5):
        fail(f"unknown{number}", 1)
    assert check("another", "wrong") == "wait 1"
    assert check(crm.id, crm.secret) == "wait 1"
    assert check(crm.id, crm.secret, ELSEWHERE) == "CRM"


def test_other_apps_on_the_same_server(crm: AppKey, clock: time_machine.Traveller) -> None:
    """An app that goes on with an old secret does not delay one that works at that address."""
    use_from(crm, HERE)
    fax = add_app("ana", "Fax")
    fail(fax.id, 5)
    assert check(fax.id, fax.secret) == "wait 1"
    assert check(crm.id, crm.secret) == "CRM"
    fail(crm.id, 5)
    assert check(crm.id, crm.secret) == "wait 1", "its own failures count"


def test_apps_do_not_keep_users_out(crm: AppKey, clock: time_machine.Traveller) -> None:
    """Failures of apps do not delay sign-ins of users from the same address."""
    fail(crm.id, 5)
    keys = delays.find_keys("ana", delays.Client(HERE))
    assert delays.check_not_blocked(keys) is False


def test_shared_address(crm: AppKey, clock: time_machine.Traveller) -> None:
    """Behind a proxy that names no client, failures count for each app alone."""
    fax = add_app("ana", "Fax")
    fail(fax.id, 5, None)
    assert check(fax.id, fax.secret, None) == "wait 1"
    assert check(crm.id, crm.secret, None) == "CRM"


def test_failures_at_the_same_time(app: Flask, crm: AppKey) -> None:
    """Concurrent failures all count, and none raises an error."""
    barrier, found = threading.Barrier(4), []

    def guess() -> None:
        with app.app_context():
            barrier.wait()
            found.append(check(crm.id, "wrong"))

    run_all([threading.Thread(target=guess) for _ in range(4)])
    assert found == [WRONG] * 4
    db.session.rollback()
    assert db.session.scalars(select(SignInFailure.count)).all() == [4, 4]


def test_new_secret_at_the_same_time(app: Flask, crm: AppKey) -> None:
    """A token that is issued with the old secret meanwhile is removed with the others.

    The change of the secret waits for it.
    """

    def change() -> None:
        with app.app_context():
            begin_write()
            apps.rotate_secret(crm.load())
            db.session.commit()

    attempt = client_check.compare(crm.id, crm.secret, HERE)
    begin_write()
    with meanwhile(db.engine, "INSERT INTO oauth_token", change):
        found = client_check.finish(attempt)
        issued = issue_to_owner(found, frozenset({ApiScope.UAPI}))
        db.session.commit()
    assert scopes_of(issued.access_token) is None
    assert db.session.scalars(select(OAuthToken)).all() == []


def test_new_secret_just_before(app: Flask, crm: AppKey) -> None:
    """A secret that is replaced after it was compared is refused, and nothing is issued."""

    def change() -> None:
        with app.app_context():
            begin_write()
            apps.rotate_secret(crm.load())
            db.session.commit()

    attempt, thread = (
        client_check.compare(crm.id, crm.secret, HERE),
        threading.Thread(target=change),
    )
    with ExitStack() as order:
        if db.engine.dialect.name == "sqlite":
            # Writers take turns there.
            run_all([thread])
            begin_write()
        else:
            begin_write()
            order.enter_context(before_statement(db.engine, "SELECT", lambda: run_all([thread])))
        with pytest.raises(OAuthError, match="Wrong client_id or client_secret"):
            client_check.finish(attempt)


def test_owner_is_disabled(crm: AppKey, ana: User) -> None:
    """The app of a disabled user gets no tokens, and those that it has do not work."""
    add_user("carl")
    fax = add_app("carl", "Fax")
    token = issue_own(fax).access_token
    assert scopes_of(token) == "uapi hooks:read"
    begin_write()
    lifecycle.disable_user(users.get_user("carl"))
    db.session.commit()
    assert check(fax.id, fax.secret) == "unauthorized_client"
    assert scopes_of(token) is None
    assert check(crm.id, crm.secret) == "CRM"


def test_pbx_is_being_removed(ana: User, pbx: Pbx) -> None:
    """An app for a PBX that is being removed gets no tokens."""
    fax = add_app("ana", "Fax", pbx=pbx)
    assert check(fax.id, fax.secret) == "Fax"
    begin_write()
    db.session.get_one(Pbx, pbx.id).removing_at = utc_now()
    db.session.commit()
    assert check(fax.id, fax.secret) == "unauthorized_client"


def test_removed_app(crm: AppKey) -> None:
    """A removed app is unknown, and its tokens are gone."""
    token = issue_own(crm).access_token
    begin_write()
    apps.remove_app(crm.load())
    db.session.commit()
    assert check(crm.id, crm.secret) == WRONG
    assert scopes_of(token) is None


def run_all(threads: list[threading.Thread]) -> None:
    """Run the threads to their end."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
