"""Validation of receiver URLs: the rules and their error messages."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

import idna

from callevents.db.models import MAX_URL_LENGTH
from callevents.delivery.request.placeholders import (
    find_problem,
    has_placeholder,
    put_back,
    set_apart,
)
from callevents.errors import InvalidError

SCHEMES = ("http", "https")
#: Also as servers decode them.
_SEPARATOR = re.compile(r"/|\\|%2f|%5c", re.IGNORECASE)
_DOT_SEGMENT = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


@dataclass(frozen=True)
class ReceiverUrl:
    """A valid URL.

    `url` is the wire form with the host in ASCII. `display_host` is the host in Unicode, which
    differs from `host` for international names only.
    """

    url: str
    host: str
    display_host: str


def check_url(text: str, field: str = "url") -> ReceiverUrl:
    """Return the URL in its wire form; raises InvalidError about `field` with the violated rule."""
    try:
        return _check(text.strip())
    except _RuleError as error:
        raise InvalidError.of(field, str(error)) from None


def display_url(url: str) -> str:
    """Return the URL with an international host name in Unicode."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = _to_unicode(host)
    return url if shown == host else url.replace(host, shown, 1)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a valid URL; the port is always included."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_same_origin(typed: str, url: str) -> bool:
    """Return True if `typed` is a valid URL with the same origin as `url`."""
    try:
        return origin_of(check_url(typed).url) == origin_of(url)
    except InvalidError:
        return False


def begins_with(url: str, address: str) -> bool:
    """Return True if the URL begins with a receiver's address, and so goes to its origin.

    Letters may follow only a sign that separates: http://crm.example.com.evil.example does not
    begin with http://crm.example.com. Dot segments may not follow: servers leave the folder of the
    address by them.
    """
    if not url.startswith(address):
        return False
    rest = url[len(address) :]
    is_separate = not rest or rest[0] in "/?&" or address[-1] in "/?&="
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    has_dots = any(_DOT_SEGMENT.fullmatch(one) for one in _SEPARATOR.split(path))
    return is_separate and not has_dots and origin_of(url) == origin_of(address)


class _RuleError(Exception):
    """A rule is violated; the text is the error message."""


def _check(text: str) -> ReceiverUrl:
    if not text:
        raise _RuleError("Enter the URL of the receiver.")
    if len(text) > MAX_URL_LENGTH:
        raise _RuleError(
            f"The URL must be at most {MAX_URL_LENGTH:,} characters (got {len(text):,})."
        )
    if problem := find_problem(text):
        raise _RuleError(problem)
    # Arguments of filters may have spaces and characters that mean something in a URL.
    text, placeholders = set_apart(text)
    _check_characters(text)
    _check_placeholders(text)
    parts = _split(text)
    host = _to_ascii(parts.hostname or "")
    netloc = f"[{host}]" if ":" in host else host
    if parts.port is not None:
        netloc += f":{parts.port}"
    bare = urlunsplit((parts.scheme.lower(), netloc, parts.path, parts.query, ""))
    url = put_back(bare, placeholders)
    if len(url) > MAX_URL_LENGTH:
        raise _RuleError(f"The URL must be at most {MAX_URL_LENGTH:,} characters.")
    return ReceiverUrl(url, host, _to_unicode(host))


def _check_characters(text: str) -> None:
    for character in text:
        if character.isspace() or not character.isprintable():
            raise _RuleError(
                "The URL must not contain spaces or control characters; write a space as %20."
            )
        if "\ud800" <= character <= "\udfff" or character == "\\":
            raise _RuleError(f"The URL must not contain the character {character!a}.")


def _check_placeholders(text: str) -> None:
    scheme, mark, rest = text.partition("://")
    if has_placeholder(scheme) or (mark and has_placeholder(re.split(r"[/?#]", rest)[0])):
        raise _RuleError(
            "Placeholders are allowed only in the path and the query of the URL, so that a call "
            "cannot change the receiver."
        )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _RuleError("The URL's host or port is not valid.") from None
    if parts.scheme.lower() not in SCHEMES or not text[len(parts.scheme) :].startswith("://"):
        raise _RuleError("The URL must begin with http:// or https://.")
    if not parts.hostname:
        raise _RuleError("The URL needs a host, as in https://crm.example.com/calls.")
    if "@" in parts.netloc:
        raise _RuleError(
            "The URL must not contain a username or password, because URLs are displayed and "
            "logged. Remove the part before the @ and use the fields for authentication."
        )
    if port == 0:
        raise _RuleError("The URL's port must be between 1 and 65535.")
    if "#" in text:
        raise _RuleError(
            "The URL must not contain a fragment (#...), which is never sent to a server. "
            "Write a # inside a value as %23."
        )
    return parts


def _to_ascii(host: str) -> str:
    """Return the host as it goes over the wire."""
    if ":" in host:
        return _ipv6(host)
    if "%" in host:
        raise _RuleError("The URL's host must not contain percent signs.")
    try:
        if host.isascii():
            return _check_ascii(host)
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _RuleError(f"The URL's host {host!r} is not a valid host name.") from None


def _ipv6(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        raise _RuleError("The URL's host is not a valid IPv6 address.") from None
    if not isinstance(address, IPv6Address) or address.scope_id:
        raise _RuleError("The URL's host must be an IPv6 address without a zone.")
    return str(address)


def _check_ascii(host: str) -> str:
    """Return the host in lower case; allows underscores, which internal networks use."""
    labels = host.lower().removesuffix(".").split(".")
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-_")
    if len(host) > 253 or any(
        not 1 <= len(label) <= 63 or not set(label) <= allowed for label in labels
    ):
        raise idna.IDNAError(host)
    return host.lower()


def _to_unicode(host: str) -> str:
    if "xn--" not in host:
        return host
    try:
        return idna.decode(host)
    except (idna.IDNAError, UnicodeError):
        return host
