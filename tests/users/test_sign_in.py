"""Sign-in: the right password and wrong ones, known and unknown users, old hashes."""

import pytest
from argon2 import PasswordHasher

from callevents.db.models import User
from callevents.extensions import db
from callevents.users import hashing
from tests.support.statement_count import counting
from tests.users.signing_in import PASSWORD, WRONG, sign_in


class CountingHasher(PasswordHasher):
    """Counts its computations."""

    computations = 0

    def verify(self, *args: object) -> object:
        self.computations += 1
        return super().verify(*args)  # type: ignore[arg-type]  # passed through


def test_sign_in(user: User) -> None:
    """The username is case-insensitive."""
    assert sign_in("  ANA ") == "ana"
    for wrong in ("", PASSWORD.upper(), PASSWORD + " ", "x" * 5000, "\x00"):
        assert sign_in(password=wrong, address=wrong) == WRONG


@pytest.mark.parametrize("username", ["nobody", "", "ana\x00", "\x00", "x" * 5000])
def test_unknown_users_are_refused_in_the_same_words(user: User, username: str) -> None:
    """The message never says which of username and password is wrong, on any database."""
    assert sign_in(username) == WRONG
    assert sign_in(password="wrong password") == WRONG


def test_unknown_users_take_the_same_path(user: User) -> None:
    """An unknown user and a wrong password take the same queries."""
    made = []
    for username in ("ana", "nobody"):
        statements: list[str] = []
        with counting(statements):
            assert sign_in(username, "wrong password", username) == WRONG
        made.append(statements)
    assert made[0] == made[1]


@pytest.mark.parametrize("username", ["ana", "nobody", "ana\x00"])
def test_unknown_users_take_the_same_time(
    user: User, username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password is verified once, whether or not the user exists."""
    hasher = CountingHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(hashing, "_hasher", hasher)
    assert sign_in(username, "wrong password") == WRONG
    assert hasher.computations == 1


def test_old_hashes_are_renewed(user: User) -> None:
    """A hash with weaker parameters is replaced at the next sign-in."""
    weak = PasswordHasher(time_cost=1, memory_cost=32, parallelism=1).hash(PASSWORD)
    user.password_hash = weak
    db.session.commit()
    assert sign_in() == "ana"
    assert user.password_hash != weak
    renewed = user.password_hash
    assert sign_in() == "ana"
    assert user.password_hash == renewed


def test_broken_hash_lets_nobody_in(user: User) -> None:
    """A malformed hash counts as a wrong password, not as an error."""
    user.password_hash = "nonsense"
    db.session.commit()
    assert sign_in() == WRONG
