"""Validation of a hook's fields."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from callevents.db.models import MAX_NOTE_LENGTH, Hook
from callevents.delivery.request.placeholders import find_problem
from callevents.delivery.request.url import origin_of
from callevents.enums import AuthKind
from callevents.errors import InvalidError
from callevents.hooks.options import (
    GIVE_UP_CHOICES,
    Credentials,
    CustomHeader,
    HookOptions,
    stored_headers,
)


def check_note(note: str) -> str:
    """Return the note without spaces around it; raises InvalidError."""
    note = note.replace("\r\n", "\n").strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise InvalidError.of(
            "note",
            f"The note may have at most {MAX_NOTE_LENGTH} characters; this one has {len(note)}.",
        )
    if not note.replace("\n", "").replace("\t", "").isprintable():
        raise InvalidError.of("note", "The note must not have control characters.")
    return note


MAX_CUSTOM_HEADERS = 20

MAX_HEADER_NAME_LENGTH = 100

MAX_HEADER_LENGTH = 1000

MAX_USERNAME_LENGTH = 255

MAX_SECRET_LENGTH = 1000

#: Errors about one of the own headers have this and its number, from 1, in place of a field.
HEADER_FIELD = "header "

#: What RFC 9110 calls a token.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_PRINTABLE = re.compile(r"[\x20-\x7e]*")

_BEARER = re.compile(r"[\x21-\x7e]+")

#: Names that the protocol or we ourselves need, and why each cannot be an own header.
_TAKEN = {
    "host": "it follows from the URL",
    "content-type": "it follows from the body",
    "content-length": "it follows from the body",
    "content-encoding": "bodies are not encoded",
    "transfer-encoding": "bodies are sent as a whole",
    "authorization": "use the fields for authentication",
    **dict.fromkeys(
        (
            *("accept-encoding", "connection", "expect", "keep-alive", "proxy-authorization"),
            *("proxy-connection", "te", "trailer", "upgrade"),
        ),
        "it belongs to the connection",
    ),
}

SIGNATURE_PREFIX = "webhook-"

MOVED = "The URL leads to another receiver than before, so enter {} anew."

#: The fields that each kind of authentication has, and what they are called in sentences.
_CREDENTIALS: Mapping[AuthKind, Mapping[str, str]] = {
    AuthKind.NONE: {},
    AuthKind.BASIC: {"username": "the user name", "password": "the password"},
    AuthKind.BEARER: {"token": "the token"},
}

Problems = Iterator[tuple[str, list[str]]]


def check_options(options: HookOptions, hook: Hook | None = None, url: str = "") -> HookOptions:
    """Return the options as it can be stored; raises InvalidError for all that is wrong.

    What it keeps must be there in `hook`, and be for the origin of `url`, which is the hook's next.
    """
    errors: dict[str, list[str]] = {}
    if options.give_up_seconds not in GIVE_UP_CHOICES:
        choices = ", ".join(name for name, _label in GIVE_UP_CHOICES.values())
        errors["give_up_seconds"] = [f"A request can give up after one of: {choices}."]
    headers = tuple(
        CustomHeader(header.name.strip(), header.value and header.value.strip())
        for header in options.headers
    )
    kept = {name.lower() for name, _token in stored_headers(hook)}
    errors |= dict(_header_problems(headers, kept))
    is_kept = hook is not None and _is_kept(options.credentials, hook.auth)
    errors |= dict(_credentials_problems(options.credentials, is_kept=is_kept))
    if hook is not None and url and origin_of(url) != origin_of(hook.url):
        errors |= dict(_moved_problems(headers, options.credentials, kept, is_kept=is_kept))
    if errors:
        raise InvalidError(errors)
    return replace(options, headers=headers)


def _is_kept(credentials: Credentials, stored: AuthKind) -> bool:
    """Return whether the credentials that are stored, of that kind, are to be kept."""
    is_given = credentials.secret is not None or credentials.username
    return credentials.kind is stored and not is_given


def _moved_problems(
    headers: Sequence[CustomHeader],
    credentials: Credentials,
    kept: Collection[str],
    *,
    is_kept: bool,
) -> Problems:
    """Yield what must be entered anew: secrets are for the receiver that they were entered for."""
    for number, header in enumerate(headers, start=1):
        if header.value is None and header.name.lower() in kept:
            yield f"{HEADER_FIELD}{number}", [MOVED.format(f"the value of {header.name}")]
    for name, label in _CREDENTIALS[credentials.kind].items() if is_kept else ():
        yield name, [MOVED.format(label)]


def _header_problems(headers: Sequence[CustomHeader], kept: Collection[str]) -> Problems:
    count = len(headers)
    if count > MAX_CUSTOM_HEADERS:
        sentence = (
            f"A request may have at most {MAX_CUSTOM_HEADERS} own headers; these are {count}."
        )
        yield "headers", [sentence]
    names: set[str] = set()
    for number, header in enumerate(headers, start=1):
        sentence = _name_problem(header.name) or _value_problem(header, kept)
        if header.name.lower() in names:
            sentence = f"The header {header.name} is there twice."
        if sentence:
            yield f"{HEADER_FIELD}{number}", [sentence]
        names.add(header.name.lower())


def _name_problem(name: str) -> str:
    if not name:
        return "A header needs a name, such as X-Api-Key."
    if len(name) > MAX_HEADER_NAME_LENGTH:
        return f"The name of a header may have at most {MAX_HEADER_NAME_LENGTH} characters."
    if not _TOKEN.fullmatch(name):
        return (
            f"{name!r} cannot be the name of a header: it may have letters, digits and "
            "!#$%&'*+-.^_`|~ only, and no spaces."
        )
    if reason := _TAKEN.get(name.lower()):
        return f"The header {name} cannot be set here: {reason}."
    if name.lower().startswith(SIGNATURE_PREFIX):
        return f"The header {name} cannot be set here: such names belong to the signature."
    return ""


def _value_problem(header: CustomHeader, kept: Collection[str]) -> str:
    """Return what is wrong with the value; it is never told itself."""
    if header.value is None:
        return "" if header.name.lower() in kept else f"The header {header.name} needs a value."
    if not header.value:
        return f"The header {header.name} needs a value."
    if len(header.value) > MAX_HEADER_LENGTH:
        return (
            f"The value of the header {header.name} may have at most {MAX_HEADER_LENGTH:,} "
            f"characters; this one has {len(header.value):,}."
        )
    if not _PRINTABLE.fullmatch(header.value):
        return (
            f"The value of the header {header.name} may have printable ASCII characters only, "
            "in one line; write others as the receiver wants them escaped."
        )
    if problem := find_problem(header.value):
        return f"In the header {header.name}: {problem}"
    return ""


def _credentials_problems(credentials: Credentials, *, is_kept: bool) -> Problems:
    if is_kept:
        return
    if credentials.kind is AuthKind.BEARER:
        if sentence := _token_problem(credentials.secret or ""):
            yield "token", [sentence]
    elif credentials.kind is AuthKind.BASIC:
        if sentence := _username_problem(credentials.username):
            yield "username", [sentence]
        if sentence := _password_problem(credentials.secret or ""):
            yield "password", [sentence]


def _token_problem(token: str) -> str:
    if not token:
        return "Enter the token."
    if len(token) > MAX_SECRET_LENGTH:
        return f"The token may have at most {MAX_SECRET_LENGTH:,} characters."
    if not _BEARER.fullmatch(token):
        return "The token may have printable ASCII characters only, and no spaces."
    return ""


def _username_problem(username: str) -> str:
    if not username:
        return "Enter the user name."
    if len(username) > MAX_USERNAME_LENGTH:
        return f"The user name may have at most {MAX_USERNAME_LENGTH} characters."
    if ":" in username:
        return "The user name must not have a colon, because it would end there."
    return "" if username.isprintable() else "The user name must not have control characters."


def _password_problem(password: str) -> str:
    if not password:
        return "Enter the password."
    if len(password) > MAX_SECRET_LENGTH:
        return f"The password may have at most {MAX_SECRET_LENGTH:,} characters."
    return "" if password.isprintable() else "The password must not have control characters."
