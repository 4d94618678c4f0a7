"""Checks of a hook's note and options."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from callevents.db.models import MAX_NOTE_LENGTH, Hook
from callevents.delivery.request.placeholders import find_problem
from callevents.delivery.request.url import origin_of
from callevents.enums import AuthKind, EventType
from callevents.errors import InvalidError
from callevents.hooks.condition_check import check_conditions
from callevents.hooks.credentials_check import CREDENTIAL_FIELDS, find_credentials_problems
from callevents.hooks.option_check import check_answers, check_value_maps
from callevents.hooks.options import (
    GIVE_UP_CHOICES,
    Credentials,
    CustomHeader,
    HookOptions,
    stored_headers,
)
from callevents.hooks.template_check import check_template
from callevents.validation import find_errors

MAX_CUSTOM_HEADERS = 20
MAX_HEADER_NAME_LENGTH = 100
MAX_HEADER_LENGTH = 1000

#: Field name of errors about a custom header, followed by its number, from 1.
HEADER_FIELD = "header "

#: A token of RFC 9110, section 5.6.2.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")

#: Headers that HTTP or the client sets, and why each cannot be a custom header.
_RESERVED_HEADERS = {
    "host": "it is derived from the URL",
    "content-type": "it is derived from the body",
    "content-length": "it is derived from the body",
    "content-encoding": "bodies are not encoded",
    "transfer-encoding": "bodies are not sent in chunks",
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

ENTER_AGAIN = "The URL points to another receiver than before. Enter {} again."

#: Pairs of a field and its error messages.
Problems = Iterator[tuple[str, list[str]]]


def path_of(field: str) -> str:
    """Return where a document has the field that an error is about: a header is one of a list."""
    if field.startswith(HEADER_FIELD):
        return f"headers/{int(field.removeprefix(HEADER_FIELD)) - 1}"
    return field


def check_note(note: str) -> str:
    """Return the note, stripped and with Unix line ends; raises InvalidError."""
    note = note.replace("\r\n", "\n").strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise InvalidError.of(
            "note", f"Must be at most {MAX_NOTE_LENGTH} characters (got {len(note)})."
        )
    if not note.replace("\n", "").replace("\t", "").isprintable():
        raise InvalidError.of("note", "Must not contain control characters.")
    return note


def check_options(
    options: HookOptions,
    hook: Hook | None = None,
    url: str = "",
    *,
    event_type: EventType = EventType.HANGUP,
    has_receiver: bool | None = None,
) -> HookOptions:
    """Return the options as they are stored; raises one InvalidError for all invalid fields.

    Secrets that the options keep must be stored in `hook`, and `url`, its new URL, must have the
    same origin as its current one. `has_receiver`: it will have one; None: if `hook` has one.
    """
    if hook is not None:
        event_type = hook.event_type
    if has_receiver is None:
        has_receiver = hook is not None and hook.receiver_id is not None
    errors = find_errors(
        lambda: _check_give_up(options.give_up_seconds),
        lambda: check_template(options, url),
        lambda: check_conditions(options.conditions, event_type),
        lambda: check_value_maps(options.value_maps),
        lambda: check_answers(options.answers, has_receiver=has_receiver),
    )
    headers = tuple(
        CustomHeader(header.name.strip(), header.value and header.value.strip())
        for header in options.headers
    )
    kept = {name.lower() for name, _token in stored_headers(hook)}
    errors = dict(_header_problems(headers, kept)) | errors
    is_kept = hook is not None and _keeps_stored(options.credentials, hook.auth)
    if options.credentials.kind is AuthKind.RECEIVER and not has_receiver:
        errors["authentication"] = ["The request has no receiver. Choose another authentication."]
    elif not is_kept:
        errors |= dict(find_credentials_problems(options.credentials))
    if hook is not None and url and origin_of(url) != origin_of(hook.url):
        errors |= dict(_origin_change_problems(headers, options.credentials, kept, is_kept=is_kept))
    if errors:
        raise InvalidError(errors)
    conditions = check_conditions(options.conditions, event_type)
    return replace(options, headers=headers, conditions=conditions)


def _check_give_up(seconds: int) -> None:
    if seconds not in GIVE_UP_CHOICES:
        choices = ", ".join(name for name, _label in GIVE_UP_CHOICES.values())
        raise InvalidError.of("give_up_seconds", f"Must be one of: {choices}.")


def _keeps_stored(credentials: Credentials, stored: AuthKind) -> bool:
    """Return True if the stored credentials, of kind `stored`, stay as they are."""
    is_given = credentials.secret is not None or credentials.username
    return credentials.kind is stored and not is_given


def _origin_change_problems(
    headers: Sequence[CustomHeader],
    credentials: Credentials,
    kept: Collection[str],
    *,
    is_kept: bool,
) -> Problems:
    """Yield the kept secrets: each must be entered again, because it was for another receiver."""
    for number, header in enumerate(headers, start=1):
        if header.value is None and header.name.lower() in kept:
            yield f"{HEADER_FIELD}{number}", [ENTER_AGAIN.format(f"the value of {header.name}")]
    for name, label in CREDENTIAL_FIELDS[credentials.kind].items() if is_kept else ():
        yield name, [ENTER_AGAIN.format(label)]


def _header_problems(headers: Sequence[CustomHeader], kept: Collection[str]) -> Problems:
    count = len(headers)
    if count > MAX_CUSTOM_HEADERS:
        message = f"Add at most {MAX_CUSTOM_HEADERS} custom headers (got {count})."
        yield "headers", [message]
    names: set[str] = set()
    for number, header in enumerate(headers, start=1):
        message = header_name_problem(header.name) or _value_problem(header, kept)
        if header.name.lower() in names:
            message = f"The header {header.name} is set twice."
        if message:
            yield f"{HEADER_FIELD}{number}", [message]
        names.add(header.name.lower())


def header_name_problem(name: str) -> str:
    """Return why no custom header can have this name, empty if one can."""
    if not name:
        return "Enter a header name, for example X-Api-Key."
    if len(name) > MAX_HEADER_NAME_LENGTH:
        return (
            f"A header name must be at most {MAX_HEADER_NAME_LENGTH} characters (got {len(name)})."
        )
    if not _HEADER_NAME.fullmatch(name):
        return (
            f"Invalid header name {name!r}: use only letters, digits and !#$%&'*+-.^_`|~ without "
            "spaces."
        )
    if reason := _RESERVED_HEADERS.get(name.lower()):
        return f"The header {name} cannot be set here: {reason}."
    if name.lower().startswith(SIGNATURE_PREFIX):
        return f"The header {name} cannot be set here: it is reserved for the signature."
    return ""


def _value_problem(header: CustomHeader, kept: Collection[str]) -> str:
    """Return the problem of the value, without the value itself, or an empty text."""
    if header.value is None:
        return "" if header.name.lower() in kept else f"Enter a value for the header {header.name}."
    if not header.value:
        return f"Enter a value for the header {header.name}."
    if len(header.value) > MAX_HEADER_LENGTH:
        return (
            f"The value of the header {header.name} must be at most {MAX_HEADER_LENGTH:,} "
            f"characters (got {len(header.value):,})."
        )
    if not _PRINTABLE.fullmatch(header.value):
        return (
            f"The value of the header {header.name} must be one line of printable ASCII "
            "characters. Escape other characters as the receiver expects."
        )
    if problem := find_problem(header.value):
        return f"In the header {header.name}: {problem}"
    return ""
