"""Checks of a hook's authentication."""

import re
from collections.abc import Callable, Iterator, Mapping

from callevents.enums import AuthKind
from callevents.hooks.options import Credentials

MAX_USERNAME_LENGTH = 255
MAX_SECRET_LENGTH = 1000
MAX_SCHEME_LENGTH = 40

#: The fields of each kind of authentication, and their labels in error messages.
CREDENTIAL_FIELDS: Mapping[AuthKind, Mapping[str, str]] = {
    AuthKind.NONE: {},
    AuthKind.BASIC: {"username": "the username", "password": "the password"},
    AuthKind.BEARER: {"token": "the token"},
    AuthKind.SCHEME: {"scheme": "the scheme", "token": "the token"},
    AuthKind.RECEIVER: {},
}

#: A token of RFC 9110, section 5.6.2.
_SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BEARER = re.compile(r"[\x21-\x7e]+")
#: What follows another scheme may have parameters, which are separated by spaces.
_AFTER_SCHEME = re.compile(r"[\x21-\x7e]+( +[\x21-\x7e]+)*")
#: Schemes with a kind of their own.
_OWN_KINDS = {"basic": "Basic", "bearer": "Bearer"}


def find_credentials_problems(credentials: Credentials) -> Iterator[tuple[str, list[str]]]:
    """Yield each invalid field of credentials that were entered, with its messages."""
    for name, check in _CHECKS[credentials.kind].items():
        if message := check(credentials):
            yield name, [message]


def _bearer_problem(credentials: Credentials) -> str:
    token = credentials.secret or ""
    if problem := _token_problem(token):
        return problem
    if not _BEARER.fullmatch(token):
        return "The token must be printable ASCII characters without spaces."
    return ""


def _after_scheme_problem(credentials: Credentials) -> str:
    token = credentials.secret or ""
    if problem := _token_problem(token):
        return problem
    if not _AFTER_SCHEME.fullmatch(token):
        return "The token must be printable ASCII characters, without spaces around it."
    return ""


def _token_problem(token: str) -> str:
    if not token:
        return "Enter the token."
    if len(token) > MAX_SECRET_LENGTH:
        return f"The token must be at most {MAX_SECRET_LENGTH:,} characters."
    return ""


def _scheme_problem(credentials: Credentials) -> str:
    scheme = credentials.username
    if not scheme:
        return "Enter the scheme, for example token."
    if len(scheme) > MAX_SCHEME_LENGTH:
        return f"The scheme must be at most {MAX_SCHEME_LENGTH} characters (got {len(scheme)})."
    if not _SCHEME.fullmatch(scheme):
        return "The scheme must be one word of letters, digits and -, for example Zoho-oauthtoken."
    if kind := _OWN_KINDS.get(scheme.lower()):
        return f"Choose {kind} instead."
    return ""


def _username_problem(credentials: Credentials) -> str:
    username = credentials.username
    if not username:
        return "Enter the username."
    if len(username) > MAX_USERNAME_LENGTH:
        return (
            f"The username must be at most {MAX_USERNAME_LENGTH} characters (got {len(username)})."
        )
    if ":" in username:
        return "The username must not contain a colon."
    return "" if username.isprintable() else "The username must not contain control characters."


def _password_problem(credentials: Credentials) -> str:
    password = credentials.secret or ""
    if not password:
        return "Enter the password."
    if len(password) > MAX_SECRET_LENGTH:
        return f"The password must be at most {MAX_SECRET_LENGTH:,} characters."
    return "" if password.isprintable() else "The password must not contain control characters."


_CHECKS: Mapping[AuthKind, Mapping[str, Callable[[Credentials], str]]] = {
    AuthKind.NONE: {},
    AuthKind.BASIC: {"username": _username_problem, "password": _password_problem},
    AuthKind.BEARER: {"token": _bearer_problem},
    AuthKind.SCHEME: {"scheme": _scheme_problem, "token": _after_scheme_problem},
    AuthKind.RECEIVER: {},
}
