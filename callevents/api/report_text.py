"""Writes a report down as text for people, with its secrets masked.

Secrets are found in what the fields contain, however they are encoded, and not in the text. What
cannot be parsed is masked wherever it could contain a secret.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from werkzeug.wrappers import Request

from callevents.api.payload import FORM, JSON_LINES, MULTIPART
from callevents.ingest.discarded import MAX_SENT_LENGTH
from callevents.pbxs.tokens import TOKEN_PREFIX
from callevents.security.masking import MASK

#: More than is stored, since masking shortens the text.
MAX_TEXT_LENGTH = 2 * MAX_SENT_LENGTH
#: How many encodings within each other are undone, such as JSON in a percent-encoded value.
MAX_ENCODINGS = 4

_NAME = r"(?:token|secret|passw|pwd|auth|credential|signature|api[_-]?key)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
#: A name and its value in a text: token=x, "token": "x", <token>x, token: x.
_NAMED = re.compile(
    rf"({_NAME}[\w-]{{0,40}}[\"']?\s{{0,5}}[:=>]\s{{0,5}}[\"']?)[^\s\"'&,;}}<]+", re.I
)
#: A token, credentials as in the header Authorization, or the user info of a URL.
_SECRET = re.compile(
    rf"{TOKEN_PREFIX}[\w-]{{6,}}|\b(?:basic|bearer|digest)\s+\S+|(?<=//)[^/\s@]+(?=@)",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
#: Tokens in any encoding are at least that long.
_LONG = re.compile(r"[\w\-%\\+/=.~]{20,}")


def describe_request(request: Request, token: str) -> str:
    """Return the beginning of the request as text; `token` is the one it came with."""
    query = _mask_pairs(request.query_string.decode("utf-8", "replace"))
    line = f"{request.method} {request.path}{'?' if query else ''}{query}"
    content_type = request.content_type or ""
    if content_type:
        shown = MASK if _has_secret(content_type) else content_type[:200]
        line += f"\nContent-Type: {shown}"
    text = f"{line}\n\n{_describe_body(request)}".rstrip()
    return text.replace(token, MASK) if token else text


def mask_detail(detail: str, token: str) -> str:
    """Return a sentence about a request, which may quote its values, with secrets masked."""
    detail = detail.replace(token, MASK) if token else detail
    return re.sub(rf"{TOKEN_PREFIX}[\w-]{{6,}}", MASK, detail)


def _describe_body(request: Request) -> str:
    if request.content_encoding:
        return "(a compressed body)"
    try:
        raw = request.get_data()
        if request.mimetype == MULTIPART:
            return "\n".join(_mask_field(name, value) for name, value in _parts(request))
    except Exception:  # noqa: BLE001  # each server raises its own error for an unreadable body
        return ""
    text = raw.decode("utf-8-sig", "replace").strip()
    if request.mimetype in JSON_LINES or text[:1] in {"{", "["} or "json" in request.mimetype:
        return _mask_json(text)
    return _mask_pairs(text) if request.mimetype in {"", FORM} else _mask_text(text)


def _parts(request: Request) -> Iterator[tuple[str, str]]:
    yield from request.form.items(multi=True)
    yield from ((name, "(a file)") for name in request.files)


def _mask_field(name: str, value: str) -> str:
    if _has_secret(name):
        return MASK
    return f"{name}: {MASK if _is_secret(name, value) else value}"


def _mask_pairs(text: str) -> str:
    """Return a query or form with the values of its secret fields masked."""
    return "&".join(map(_mask_pair, text.split("&")))


def _mask_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if _has_secret(name):
        return MASK
    return f"{name}={MASK}" if equals and _is_secret(name, value) else pair


def _mask_json(text: str) -> str:
    """Return JSON, or JSON lines, with the values of its secret fields masked."""
    try:
        return _mask_document(text)
    except (ValueError, RecursionError):
        pass
    lines = text[:MAX_TEXT_LENGTH].split("\n")
    return "\n".join(map(_mask_line, lines)) if len(lines) > 1 else _mask_text(text)


def _mask_line(line: str) -> str:
    try:
        return _mask_document(line)
    except (ValueError, RecursionError):
        return _mask_text(line)


def _mask_document(text: str) -> str:
    """Return a JSON text as it is if nothing in it is secret, else written again and masked.

    Raises ValueError or RecursionError if it is not JSON.
    """
    found = False

    def mask(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        masked = {}
        # A name may occur several times. Each value counts, although only the last one is kept.
        for name, value in pairs:
            kept_name = MASK if _has_secret(name) else name
            kept = MASK if _SECRET_NAME.search(name) else _mask_value(value)
            found = found or (kept_name, kept) != (name, value)
            masked[kept_name] = kept
        return masked

    document = json.loads(text, object_pairs_hook=mask)
    masked = _mask_value(document)
    return json.dumps(masked, ensure_ascii=False) if found or masked != document else text


def _mask_value(value: Any) -> Any:
    """Return a JSON value whose objects are masked already, with secret strings masked too."""
    if isinstance(value, list):
        return [_mask_value(one) for one in value]
    return MASK if isinstance(value, str) and _has_secret(value) else value


def _mask_text(text: str) -> str:
    """Return a text that could not be parsed, without anything that could be a secret."""
    text = _LONG.sub(MASK, text[:MAX_TEXT_LENGTH])
    return _NAMED.sub(rf"\1{MASK}", _SECRET.sub(MASK, text))


def _is_secret(name: str, value: str) -> bool:
    named = any(_SECRET_NAME.search(one) for one in _decodings(name))
    return bool(value) and (named or _has_secret(value))


def _has_secret(text: str) -> bool:
    """Return True if the text contains a secret in one of its encodings."""
    return any(_SECRET.search(one) or _NAMED.search(one) for one in _decodings(text))


def _decodings(text: str) -> Iterator[str]:
    for _ in range(MAX_ENCODINGS):
        yield text
        decoded = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), unquote_plus(text))
        if decoded == text:
            return
        text = decoded
