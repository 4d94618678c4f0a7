"""Column types of attempts, which are most of what is stored: long bodies, and request headers."""

import zlib
from typing import Any

from sqlalchemy import JSON, Dialect, LargeBinary, Text, TypeDecorator

#: Longer bodies are compressed.
MAX_PLAIN_BYTES = 1024
#: Begins a compressed body. No text contains it, because PostgreSQL could not store that.
COMPRESSED = b"\0"
# A window of 8 KiB: with zlib's own settings, to clear its memory takes longer than to compress
# 1 KiB (39 us instead of 10).
_LEVEL, _WINDOW_BITS, _MEMORY = 1, 13, 6

FORM, JSON_TYPE = "application/x-www-form-urlencoded", "application/json"
_COMMON = [["User-Agent", "CallEvents/1.0"], ["Accept", "*/*"]]
#: What request headers begin with, by the number stored instead. Never change these, add others:
#: stored attempts name them.
_BEGINNINGS: dict[int, list[list[str]]] = {
    1: [*_COMMON, ["Content-Type", FORM]],
    2: [*_COMMON, ["Content-Type", JSON_TYPE]],
    3: _COMMON,
}


class Body(TypeDecorator[str]):
    """The text of a request or response; compressed if it is long.

    SQLite stores plain text as text and compressed text as a BLOB, PostgreSQL both as bytes.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the type of the column."""
        return dialect.type_descriptor(LargeBinary() if _is_binary(dialect) else Text())

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return the function that converts a text to the stored value."""
        return pack_bytes if _is_binary(dialect) else pack

    def process_result_value(self, value: Any, _dialect: Dialect) -> str | None:
        """Return the text of the stored value."""
        return None if value is None else unpack(value)


def _is_binary(dialect: Dialect) -> bool:
    return dialect.name == "postgresql"


def pack(text: str) -> str | bytes:
    """Return the text, compressed if it is long."""
    if len(text) <= MAX_PLAIN_BYTES and text.isascii():
        return text
    plain = text.encode()
    return text if len(plain) <= MAX_PLAIN_BYTES else _compress(plain)


def pack_bytes(text: str) -> bytes:
    """Return the text as bytes, compressed if it is long."""
    plain = text.encode()
    return plain if len(plain) <= MAX_PLAIN_BYTES else _compress(plain)


def unpack(stored: str | bytes) -> str:
    """Return the text."""
    if isinstance(stored, str):
        return stored
    is_compressed = stored.startswith(COMPRESSED)
    return (zlib.decompress(stored[1:]) if is_compressed else stored).decode()


def _compress(plain: bytes) -> bytes:
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY)
    return COMPRESSED + stream.compress(plain) + stream.flush()


class RequestHeaders(TypeDecorator[list[list[str]]]):
    """The headers of a request, in order; those that most requests begin with as a number.

    So `[1, ["Content-Length", "312"]]` is stored for a form.
    """

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        """Return the value to store."""
        for number, beginning in _BEGINNINGS.items():
            if value[: len(beginning)] == beginning:
                return [number, *value[len(beginning) :]]
        return value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Any:
        """Return the headers."""
        if value and isinstance(value[0], int):
            # Copies: what is changed there must not change the next one.
            return [*(list(one) for one in _BEGINNINGS[value[0]]), *value[1:]]
        return value
