"""The rules for new passwords."""

import string
from collections.abc import Iterator

from callevents.errors import InvalidError

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 200
#: zxcvbn's lowest acceptable score. Lower ones take an attacker less than a million guesses.
MIN_SCORE = 2
#: zxcvbn looks at no more characters; its time grows with the square of the length.
MAX_RATED_LENGTH = 72


def check_password(
    password: str, username: str, *, current: str = "", field: str = "password"
) -> None:
    """Raise InvalidError about `field` unless the user may choose this password."""
    if messages := list(_find_problems(password, username, current)):
        raise InvalidError({field: messages})


def _find_problems(password: str, username: str, current: str) -> Iterator[str]:
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        yield f"Must be {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters."
    elif password == current:
        yield "Must differ from the current password."
    elif _is_name(password, username):
        yield "Must not be the username."
    elif _is_common(password):
        yield "This password is too common. Attackers try it first."


def _is_name(password: str, username: str) -> bool:
    """Return True for the name in any case, repeated, reversed, or with digits and punctuation."""
    name, rest = _letters(username), _letters(password)
    if not name or not rest:
        return False
    return "" in {rest.replace(name, ""), rest.replace(name[::-1], "")}


def _letters(text: str) -> str:
    """Return the text's letters and inner digits."""
    return "".join(filter(str.isalnum, text.casefold())).strip(string.digits)


def _is_common(password: str) -> bool:
    """Return True for the most common passwords, words and names, and simple changes of them."""
    # Its word lists take 14 MB and 50 ms, and most processes never need them.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    return bool(zxcvbn(password[:MAX_RATED_LENGTH])["score"] < MIN_SCORE)
