"""The rules for new passwords."""

import string
from collections.abc import Iterator
from math import prod
from threading import Lock

from callevents.errors import InvalidError

MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 200
#: zxcvbn's lowest acceptable score. Lower ones take an attacker less than 100 million guesses.
MIN_SCORE = 3
#: zxcvbn looks at no more characters: its time grows faster than the length.
MAX_RATED_LENGTH = 40
#: zxcvbn tries each way to read symbols as letters, such as '4' and '@' as 'a'. None of its common
#: passwords has more than four ways; made-up ones have thousands, which take seconds.
MAX_READINGS = 8
#: What an attacker tries first who knows what is signed in to.
SURROUNDINGS = (
    *("callevents", "call events", "call event", "call", "calls", "event", "events", "webhook"),
    *("telephone", "telephony", "phone", "voip", "pbx", "sip", "crm", "server", "office"),
    *("asterisk", "freepbx", "issabel", "freeswitch", "fusionpbx", "kamailio", "voipnow"),
    *("yeastar", "wazo", "kazoo", "twilio", "sipgate", "3cx", "yealink", "grandstream", "snom"),
)

#: zxcvbn keeps the words that it is given in a global variable.
_rating = Lock()


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
        yield "Must not consist of the username, digits and punctuation only."
    elif _is_common(password, username):
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


def _is_common(password: str, username: str) -> bool:
    """Return True for common passwords, words, names and dates, and simple changes of them."""
    # Its word lists take 14 MB and 50 ms, and most processes never need them.
    from zxcvbn import zxcvbn  # noqa: PLC0415
    from zxcvbn.matching import L33T_TABLE  # noqa: PLC0415

    rated = password[:MAX_RATED_LENGTH]
    readings = prod(len(set(symbols).intersection(rated)) or 1 for symbols in L33T_TABLE.values())
    if readings > MAX_READINGS:
        return False
    with _rating:
        score: int = zxcvbn(rated, (username, *SURROUNDINGS))["score"]
    return score < MIN_SCORE
