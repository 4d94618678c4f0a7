"""Signing in and changing the password, by plain forms."""

import threading

import pytest
import time_machine
from argon2 import PasswordHasher
from flask import Flask

from callevents.users import hashing
from tests.support.waiting import wait_until
from tests.web.conftest import PASSWORD, Visitor

PATH = "/account/password"
NEW = "battery staple"
NOW = "2026-11-23T12:00:00Z"
BUSY = "Too many people are signing in at the same time. Try again in 1 second."


def sign_in(visitor: Visitor, username: str = "admin", password: str = PASSWORD) -> int:
    """Submit the form; return the status."""
    return visitor.post("/sign-in", username=username, password=password).status_code


def test_password_is_changed(admin: Visitor) -> None:
    """The new password needs the current one; afterwards only the new one is right."""
    assert admin.get(PATH).status_code == 200
    wrong = admin.post(PATH, current="wrong", new=NEW)
    assert wrong.status_code == 422
    assert "Current password is incorrect." in wrong.text
    assert admin.post(PATH, current=PASSWORD, new=NEW).status_code == 303
    assert admin.get("/account").status_code == 200
    admin.post("/sign-out")
    admin.get("/sign-in")
    assert sign_in(admin) == 422
    assert sign_in(admin, password=NEW) == 303


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("short", "Must be 10 to 200 characters."),
        (PASSWORD, "Must differ from the current password."),
        ("Admin-admin", "Must not consist of the username, digits and punctuation only."),
        ("qwertyuiop", "This password is too common. Attackers try it first."),
    ],
)
def test_refused_passwords(admin: Visitor, new: str, sentence: str) -> None:
    """The page says next to the field why a new password is refused."""
    answer = admin.post(PATH, current=PASSWORD, new=new)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_new_password_is_rated_after_the_current_one_is_verified(admin: Visitor) -> None:
    """Rating is work, so it is only for those who know the current password."""
    answer = admin.post(PATH, current="wrong", new="qwertyuiop")
    assert "Current password is incorrect." in answer.text
    assert "too common" not in answer.text


@time_machine.travel(NOW, tick=False)
def test_repeated_failures_are_refused_for_a_while(stranger: Visitor) -> None:
    """After several failures sign-in returns 429, for the right password too."""
    stranger.get("/sign-in")
    assert [sign_in(stranger, password="wrong") for _ in range(6)] == [422] * 5 + [429]
    answer = stranger.post("/sign-in", username="admin", password=PASSWORD)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "Too many failed sign-ins" in answer.text


@time_machine.travel(NOW, tick=False)
def test_owner_is_not_locked_out_by_an_attacker(stranger: Visitor, app: Flask) -> None:
    """While an attacker is delayed, a browser that the owner used before signs in at once."""
    attacker, owner = Visitor(app.test_client()), stranger
    owner.sign_in("admin")
    owner.post("/sign-out")
    attacker.get("/sign-in")
    assert [sign_in(attacker, password=f"guess {n}") for n in range(6)] == [422] * 5 + [429]
    owner.get("/sign-in")
    assert sign_in(owner) == 303
    assert sign_in(attacker) == 429
    owner.get("/account")
    assert sign_in(owner, username="viewer") == 429, "the address still counts for others"


@time_machine.travel(NOW, tick=False)
def test_guesses_of_the_current_password_are_delayed(stranger: Visitor) -> None:
    """A stolen session gives no unlimited guesses of the password."""
    admin = stranger
    admin.sign_in("admin")
    codes = [admin.post(PATH, current=f"guess {n}", new=NEW).status_code for n in range(6)]
    assert codes == [422] * 5 + [429]
    answer = admin.post(PATH, current=PASSWORD, new=NEW)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert "Too many failed sign-ins" in answer.text


@time_machine.travel(NOW, tick=False)
def test_strangers_do_not_block_a_change_of_the_password(stranger: Visitor, app: Flask) -> None:
    """Failures count for the session, with or without a device cookie."""
    attacker, owner = Visitor(app.test_client()), stranger
    owner.sign_in("admin")
    owner.client.delete_cookie("callevents_device")
    attacker.get("/sign-in")
    assert [sign_in(attacker, password=f"guess {n}") for n in range(6)] == [422] * 5 + [429]
    assert owner.post(PATH, current=PASSWORD, new=NEW).status_code == 303


class HeldHasher(PasswordHasher):
    """Verifies no password before it is released."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.released = threading.Event()

    def verify(self, *args: object) -> object:
        self.released.wait()
        return super().verify(*args)  # type: ignore[arg-type]  # passed through


def test_too_many_at_the_same_time(
    app: Flask, people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a few that wait, sign-ins get 503 with a sentence, and may come back soon."""
    held = HeldHasher()
    monkeypatch.setattr(hashing, "_hasher", held)
    answers = []

    def try_to_sign_in(number: int) -> None:
        visitor = Visitor(app.test_client())
        visitor.get("/sign-in")
        answers.append(visitor.post("/sign-in", username=f"user{number}", password="wrong"))

    threads = [threading.Thread(target=try_to_sign_in, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answers) == 5, "five refusals")
    held.released.set()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers[:5]] == [503] * 5
    for answer in answers[:5]:
        assert answer.headers["Retry-After"] == "1"
        assert BUSY in answer.text
    assert {answer.status_code for answer in answers[5:]} == {422}
