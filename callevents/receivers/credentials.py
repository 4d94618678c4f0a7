"""Checks of the credentials of receivers."""

import re
from collections.abc import Callable, Iterator, Mapping

from callevents.delivery.request.receiver import CREDENTIALS
from callevents.delivery.request.url import check_url
from callevents.enums import ReceiverAuth
from callevents.errors import InvalidError
from callevents.hooks.validation import header_name_problem

#: Field name of errors about a member of the credentials, followed by its name.
FIELD = "credentials/"
MAX_LENGTH = 4000
#: The member that is a URL, perhaps with a secret in it.
ISSUER = "token_url"
LABELS: Mapping[str, str] = {
    "username": "the username",
    "password": "the password",
    "token": "the token",
    "scheme": "the scheme, for example Token",
    "secret": "what follows the scheme",
    "name": "the name",
    "value": "the key",
    "token_url": "the URL that issues access tokens",
    "client_id": "the client ID",
    "client_secret": "the client secret",
    "refresh_token": "the refresh token",
    "scope": "the scope",
    "client_auth": "body or basic",
}

_WORD = re.compile(r"[\x21-\x7e]+")
_LINE = re.compile(r"[\x20-\x7e]+")
#: A token of RFC 9110, section 5.6.2.
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_SPACES = "Must be printable ASCII characters without spaces."
_ASCII = "Must be one line of printable ASCII characters."


def credential_problems(
    auth: ReceiverAuth, credentials: Mapping[str, str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield pairs of a field and its error messages, without the values."""
    names = CREDENTIALS[auth]
    for name in names.required:
        if not credentials.get(name):
            yield FIELD + name, [f"Enter {LABELS[name]}."]
    for name, value in credentials.items():
        if name not in (*names.required, *names.optional):
            yield FIELD + name, [f"The authentication {auth.value!r} has no {name!r}."]
        elif value and (message := _find_problem(auth, name, value)):
            yield FIELD + name, [message]


def _find_problem(auth: ReceiverAuth, name: str, value: str) -> str:
    if len(value) > MAX_LENGTH:
        return f"Must be at most {MAX_LENGTH:,} characters (got {len(value):,})."
    if auth is ReceiverAuth.HEADER and name == "name":
        return header_name_problem(value)
    return _CHECKS[name](value)


def _check_username(value: str) -> str:
    if ":" in value:
        return "The username must not contain a colon."
    return _check_printable(value)


def _check_printable(value: str) -> str:
    return "" if value.isprintable() else "Must not contain control characters."


def _matches(pattern: re.Pattern[str], message: str) -> Callable[[str], str]:
    return lambda value: "" if pattern.fullmatch(value) else message


def _check_token_url(value: str) -> str:
    if "{" in value:
        return "The URL that issues access tokens has no placeholders."
    try:
        check_url(value)
    except InvalidError as error:
        return str(error)
    return ""


def _check_client_auth(value: str) -> str:
    return "" if value in {"body", "basic"} else "Must be body or basic."


_CHECKS: Mapping[str, Callable[[str], str]] = {
    "username": _check_username,
    "password": _check_printable,
    "token": _matches(_WORD, _NO_SPACES),
    "scheme": _matches(_SCHEME, "A scheme is one word, for example Token."),
    "secret": _matches(_LINE, _ASCII),
    "name": _matches(_WORD, _NO_SPACES),
    "value": _matches(_LINE, _ASCII),
    "token_url": _check_token_url,
    "client_id": _matches(_LINE, _ASCII),
    "client_secret": _matches(_LINE, _ASCII),
    "refresh_token": _matches(_LINE, _ASCII),
    "scope": _matches(_LINE, _ASCII),
    "client_auth": _check_client_auth,
}
