"""Delays after failed sign-ins: per account, per address, and per device."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from callevents.db.models import SignInFailure, User
from callevents.extensions import db
from tests.support.database_faults import before_statement
from tests.users.signing_in import PASSWORD, WRONG, sign_in

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("by", ["account", "address"])
def test_delay_grows(user: User, by: str) -> None:
    """After four failures each further one doubles the wait, up to five minutes."""
    expected = [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    if by == "address":
        expected = expected[:7]
    with time_machine.travel(NOW, tick=False) as clock:
        for place, seconds in enumerate(expected):
            # Either the same account from everywhere, or all accounts from one address.
            username = "ana" if by == "account" else f"user{place}"
            address = f"10.0.0.{place}" if by == "account" else "10.0.0.1"
            assert sign_in(username, "wrong password", address) == WRONG
            if not seconds:
                continue
            unit = "second" if seconds == 1 else "seconds"
            refused = f"Too many failed sign-ins. Try again in {seconds} {unit}."
            known = "ana" if by == "account" else "bob"
            new_address = "10.9.9.9" if by == "account" else "10.0.0.1"
            assert sign_in(known, PASSWORD, new_address) == refused, "right, but too early"
            clock.shift(timedelta(seconds=seconds, milliseconds=-1))
            assert sign_in(known, PASSWORD, new_address).startswith("Too many"), "still"
            clock.shift(timedelta(milliseconds=1))


def test_refused_attempts_do_not_prolong_the_wait(user: User) -> None:
    """An attempt during the delay does not prolong it."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(6):
            sign_in(password="wrong password")
            clock.shift(timedelta(seconds=1))
        for _ in range(10):
            assert sign_in().startswith("Too many")
        clock.shift(timedelta(seconds=1))
        assert sign_in() == "ana"


def test_success_forgives_the_account_and_not_the_address(user: User) -> None:
    """A sign-in resets the failures of the account, but not of the address."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(4):
            sign_in(password="wrong password")
        assert sign_in() == "ana"
        sign_in(password="wrong password", address="10.0.0.2")
        assert sign_in(address="10.0.0.2") == "ana"
        assert sign_in("nobody") == WRONG
        assert sign_in().startswith("Too many"), "the address has failed five times"
        clock.shift(timedelta(seconds=1))
        assert sign_in() == "ana"


def test_failures_are_forgotten_after_an_hour(user: User) -> None:
    """Old failures do not count and are removed."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(4):
            sign_in(password="wrong password")
        clock.shift(timedelta(hours=1, milliseconds=1))
        sign_in("bob", "wrong password", "10.0.0.2")
        assert db.session.scalar(select(func.count()).select_from(SignInFailure)) == 2
        sign_in(password="wrong password")
        assert sign_in() == "ana"


def test_neither_names_nor_addresses_are_stored(user: User) -> None:
    """Failures are stored under digests that reveal neither account nor address."""
    sign_in("secret-name", "wrong password", "10.11.12.13")
    keys = db.session.scalars(select(SignInFailure.key)).all()
    assert len(keys) == 2
    assert all(len(key) == 64 and "secret" not in key for key in keys)


def test_known_device_is_not_delayed_by_others(user: User) -> None:
    """Failures elsewhere, and even at the same address, do not delay a device of the user."""
    with time_machine.travel(NOW, tick=False):
        for _ in range(6):
            sign_in(password="wrong password")
        assert sign_in().startswith("Too many")
        assert sign_in(device_id="laptop") == "ana"
        assert sign_in().startswith("Too many"), "that forgives nobody else"


def test_guesses_with_a_stolen_device_id_are_delayed(user: User) -> None:
    """A device has a count of its own, and its failures delay neither the account nor others."""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(5):
            assert sign_in(password="wrong password", device_id="stolen") == WRONG
        assert sign_in(device_id="stolen").startswith("Too many")
        assert sign_in(device_id="laptop") == "ana"
        assert sign_in() == "ana"
        clock.shift(timedelta(seconds=1))
        assert sign_in(password="wrong password", device_id="stolen") == WRONG
        assert sign_in(device_id="stolen") == "Too many failed sign-ins. Try again in 2 seconds."


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "hidden", False),
    ],
)
def test_addresses_of_one_client(user: User, first: str, second: str, is_one: bool) -> None:
    """IPv6 addresses count together by /64; IPv4 ones count by themselves, however written."""
    with time_machine.travel(NOW, tick=False):
        for number in range(5):
            sign_in(f"user{number}", address=first)
        assert sign_in(address=second).startswith("Too many") == is_one


def test_shared_address_does_not_count(user: User) -> None:
    """Without an address of the client only the account counts."""
    with time_machine.travel(NOW, tick=False):
        for number in range(20):
            assert sign_in(f"user{number}", address=None) == WRONG
        assert sign_in(address=None) == "ana"
        for _ in range(5):
            assert sign_in(password="wrong password", address=None) == WRONG
        assert sign_in(address=None).startswith("Too many")


def test_failures_at_the_same_time_all_count(app: Flask, user: User) -> None:
    """Concurrent failures all count, and none raises an error.

    There are as many as one process checks and lets wait at a time: more would be told to come
    back, if all reach the hashing at once.
    """
    at_once = 3
    barrier, found = threading.Barrier(at_once), []

    def guess() -> None:
        with app.app_context():
            barrier.wait()
            found.append(sign_in(password="wrong password"))

    threads = [threading.Thread(target=guess) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WRONG] * at_once
    db.session.rollback()
    counts = db.session.scalars(select(SignInFailure.count)).all()
    assert counts == [at_once, at_once]


def test_first_failure_at_the_same_time(app: Flask, user: User) -> None:
    """Two concurrent first failures both count, and none raises an error."""

    def be_faster() -> None:
        thread = threading.Thread(target=in_context)
        thread.start()
        thread.join()

    def in_context() -> None:
        with app.app_context():
            assert sign_in(password="wrong password") == WRONG

    if db.engine.dialect.name == "sqlite":
        # Writers take turns there, so that the one is always done when the other begins.
        be_faster()
        assert sign_in(password="wrong password") == WRONG
    else:
        with before_statement(db.engine, "INSERT INTO sign_in_failure", be_faster):
            assert sign_in(password="wrong password") == WRONG
    assert db.session.scalars(select(SignInFailure.count)).all() == [2, 2]
