"""Column types, ids, timestamps and lengths that tables share."""

import secrets
import string
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Dialect, Enum, SmallInteger, TypeDecorator, Uuid
from uuid_utils import uuid7

from callevents.enums import EventType

EVENT_ID_LENGTH = 30
EVENT_ID_ALPHABET = string.ascii_letters + string.digits
MAX_NUMBER_LENGTH = 64
MAX_NOTE_LENGTH = 500
MAX_URL_LENGTH = 2000
#: Of a regular expression for extensions.
MAX_PATTERN_LENGTH = 200


def utc_now() -> datetime:
    """Return the current time in UTC, truncated to milliseconds."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """Return the moment truncated to milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a new UUIDv7: unguessable, and sorted by time of creation."""
    return str(uuid7())


def first_id(moment: datetime) -> str:
    """Return the lowest id of the moment: it sorts before all ids created from then on."""
    milliseconds = max(round(moment.timestamp() * 1000), 0)  # None was created before 1970.
    return str(UUID(int=milliseconds << 80))


def to_id(text: str) -> str | None:
    """Return the id in its stored form, None if the text is not an id."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def id_created_at(public_id: str) -> datetime:
    """Return when a UUIDv7 was created."""
    return datetime.fromtimestamp((UUID(public_id).int >> 80) / 1000, UTC)


def new_event_id() -> str:
    """Return a new Event ID: 30 random letters and digits."""
    return "".join(secrets.choice(EVENT_ID_ALPHABET) for _ in range(EVENT_ID_LENGTH))


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC with milliseconds; raises ValueError for naive values."""

    impl = DateTime(timezone=True)
    cache_ok = True

    # SQLite stores text. SQLAlchemy's conversion takes five times as long, and each delivery has a
    # dozen timestamps.
    def bind_processor(self, dialect: Dialect) -> Any:
        """Return the function that converts a moment to the stored value."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return the function that converts the stored value to a moment."""
        is_text = dialect.name == "sqlite"
        return _read_text if is_text else super().result_processor(dialect, coltype)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value to store."""
        if value is None:
            return None
        value = _in_utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return the stored value."""
        return None if value is None else value.astimezone(UTC)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be stored")
    # Nearly all values are in UTC and whole milliseconds already, and each row has several.
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return to_milliseconds(value) if value.microsecond % 1000 else value


# The rows of a transaction have a few moments in common: a third of the time for each value.
@lru_cache(maxsize=256)
def _as_text(value: datetime | None) -> str | None:
    return None if value is None else _in_utc(value).isoformat(" ", "microseconds")[:-6]


def _read_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


class IntEnumColumn(TypeDecorator[EventType]):
    """An event type, stored as its code."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: EventType | None, _dialect: Dialect) -> int | None:
        """Return the value to store."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> EventType | None:
        """Return the stored value."""
        return None if value is None else EventType(value)


def text_enum(kind: type[Any], length: int) -> Enum:
    """Return a column type that stores an enumeration's values as plain text."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class PublicId(TypeDecorator[str]):
    """A UUID, as text with hyphens."""

    impl = Uuid
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(as_uuid=False)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return the function that converts the stored value to an id."""
        if dialect.supports_native_uuid:
            return super().result_processor(dialect, coltype)
        # Without a UUID object in between, as SQLAlchemy has it.
        return _hyphenate


def _hyphenate(value: str | None) -> str | None:
    if value is None:
        return None
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"
