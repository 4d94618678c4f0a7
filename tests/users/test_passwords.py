"""The rules for new passwords."""

import pytest
from zxcvbn import matching

from callevents.errors import InvalidError
from callevents.users.passwords import check_password

LENGTH = "Must be 10 to 200 characters."
NAME = "Must not consist of the username, digits and punctuation only."
COMMON = "This password is too common. Attackers try it first."
LONG = "correct horse battery staple " * 7
CURRENT = "Must differ from the current password."


def find_problem(password: str, username: str = "olga.petrova", current: str = "") -> str:
    """Return the sentence that refuses the password, empty if it is allowed."""
    try:
        check_password(password, username, current=current, field="new")
    except InvalidError as error:
        [sentence] = error.errors["new"]
        return sentence
    return ""


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", LENGTH),
        ("k7#Qz!9vR", LENGTH),
        ("k7#Qz!9vRw", ""),
        ("correct horse", ""),
        ("ein langer satz über äpfel", ""),
        (LONG[:200], ""),
        (LONG[:201], LENGTH),
        ("olga.petrova", NAME),
        ("OLGA.PETROVA", NAME),
        ("Olga Petrova", NAME),
        ("olgapetrova2026", NAME),
        ("!olga-petrova!", NAME),
        ("avortep.aglo", NAME),
        ("olga.petrova.olga.petrova", NAME),
        ("2026 olga.petrova!", NAME),
        ("olga.petrova sings at dawn", ""),
        ("olga.petrova.x1", COMMON),
        ("1234567890", COMMON),
        ("qwertyuiop", COMMON),
        ("QwertyUiop", COMMON),
        ("password123", COMMON),
        ("p4ssw0rd123", COMMON),
        ("1q2w3e4r5t", COMMON),
        ("1qaz2wsx3edc", COMMON),
        ("manchester", COMMON),
        ("aaaaaaaaaaaa", COMMON),
        ("a" * 200, COMMON),
        ("abcdefghijkl", COMMON),
        ("Winter2026", COMMON),
        ("January2026", COMMON),
        ("Elephant2026", COMMON),
        ("Password2026!", COMMON),
        ("Summer2026!", COMMON),
        ("Callevents1", COMMON),
        ("callevents12", COMMON),
        ("asterisk12", COMMON),
        ("asterisk2026", COMMON),
        ("kamailio12", COMMON),
        ("freeswitch1", COMMON),
        ("fusionpbx2026", COMMON),
        ("blue elephant", COMMON),
        ("three blue elephants", ""),
    ],
)
def test_rules(password: str, sentence: str) -> None:
    """Short and common passwords and the username are refused, with a sentence for each rule."""
    assert find_problem(password) == sentence


def test_current_password_is_refused() -> None:
    """A change to the same password is none."""
    assert find_problem("correct horse", current="correct horse") == CURRENT
    assert find_problem("correct horse", current="correct horses") == ""


@pytest.mark.parametrize("username", ["olga", "7", "1234567890", "...", "ж", "ana"])
def test_short_names_forbid_nothing_else(username: str) -> None:
    """A name within a longer password, or a name without letters, is no reason to refuse it."""
    assert find_problem("ana and olga ate 7 bananas ж", username) == ""


@pytest.mark.parametrize("part", ["4@({[<691!|0$57+%2", "4@8({[<369|10!|15$7+0%2"])
def test_rating_takes_little_work(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many symbols can be read as letters, only a few readings are tried."""
    readings = []
    translate = matching.translate

    def count(text: str, letters: dict[str, str]) -> object:
        readings.append(letters)
        return translate(text, letters)

    monkeypatch.setattr(matching, "translate", count)
    assert find_problem("p4ssw0rd123") == COMMON
    assert readings
    readings.clear()
    assert find_problem(part * 4) == ""
    assert len(readings) <= 100


def test_the_most_common_passwords_are_refused() -> None:
    """All of the 10,000 most common passwords of the list are refused."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  # takes a moment

    most_common = list(FREQUENCY_LISTS["passwords"])[:10_000]
    assert len(most_common) == 10_000
    assert [password for password in most_common if not find_problem(password)] == []
