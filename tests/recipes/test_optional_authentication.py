"""Receivers whose authentication is optional, such as a public server of ntfy."""

import pytest

from callevents.enums import ReceiverAuth
from callevents.errors import InvalidError
from callevents.receivers.data import ReceiverData
from callevents.receivers.making import change_answers, make_receiver
from callevents.receivers.recipe_files import FOLDER, read_recipe

NTFY = read_recipe(FOLDER / "ntfy.toml")
NODE_RED = read_recipe(FOLDER / "node-red.toml")


def add_ntfy(**answers: str) -> ReceiverData:
    """Return a receiver with a topic and these answers."""
    return make_receiver(NTFY, {"topic": "calls-7f3a", **answers}, "Phones")


def test_without_an_answer_requests_are_not_authenticated() -> None:
    """And with one they are."""
    assert add_ntfy().auth is ReceiverAuth.NONE
    assert add_ntfy().credentials == {}
    with_token = add_ntfy(token="tk_1")
    assert with_token.auth is ReceiverAuth.BEARER
    assert with_token.credentials == {"token": "tk_1"}


def test_half_an_answer_is_kept_as_the_recipe_says() -> None:
    """A username without a password is still an authentication, which the receiver may refuse."""
    answers = {"address": "https://flows.example.com", "username": "ana"}
    found = make_receiver(NODE_RED, answers, "Flows")
    assert found.auth is ReceiverAuth.BASIC
    assert found.credentials == {"username": "ana", "password": ""}


def test_answers_that_come_later_change_the_authentication() -> None:
    """A token that is entered, kept, and emptied again."""
    data = add_ntfy()
    entered = change_answers(NTFY, data, {"token": "tk_2"}, {})
    assert (entered.auth, entered.credentials) == (ReceiverAuth.BEARER, {"token": "tk_2"})
    kept = change_answers(NTFY, entered, {"topic": "other"}, {"token": "tk_2"})
    assert (kept.auth, kept.credentials) == (ReceiverAuth.BEARER, {"token": None})
    emptied = change_answers(NTFY, entered, {"token": ""}, {"token": "tk_2"})
    assert (emptied.auth, emptied.credentials) == (ReceiverAuth.NONE, {})


def test_questions_that_are_not_optional_need_an_answer() -> None:
    """The authentication of other recipes is never left out."""
    recipe = read_recipe(FOLDER / "hubspot.toml")
    with pytest.raises(InvalidError, match="Access token"):
        make_receiver(recipe, {}, "CRM")
