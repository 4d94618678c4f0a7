"""What all tables have in common: ids, times, lengths, and the types of their columns."""

import secrets
import string
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Dialect, Enum, SmallInteger, TypeDecorator, Uuid
from uuid_utils import uuid7

from callevents.enums import EventType

EVENT_ID_LENGTH = 30
EVENT_ID_ALPHABET = string.ascii_letters + string.digits
MAX_NUMBER_LENGTH = 64
MAX_NAME_LENGTH = 100
MAX_NOTE_LENGTH = 500
MAX_URL_LENGTH = 2000


def utc_now() -> datetime:
    """Return the present time in UTC, cut to milliseconds."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """Return the moment without what is finer than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a new UUIDv7: unguessable, and later ones sort after earlier ones."""
    return str(uuid7())


def first_id(moment: datetime) -> str:
    """Return an id before all that are made from this moment on, and after all made before it."""
    return str(UUID(int=round(moment.timestamp() * 1000) << 80))


def to_id(text: str) -> str | None:
    """Return the id as it is stored, None for what cannot be one."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def made_at(public_id: str) -> datetime:
    """Return when a UUIDv7 was made."""
    return datetime.fromtimestamp((UUID(public_id).int >> 80) / 1000, UTC)


def new_event_id() -> str:
    """Return a new Event ID: 30 random letters and digits."""
    return "".join(secrets.choice(EVENT_ID_ALPHABET) for _ in range(EVENT_ID_LENGTH))


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC with milliseconds; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what is stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        # Nearly all values are in UTC and whole milliseconds already, and each row has several.
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        if value.microsecond % 1000:
            value = to_milliseconds(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return what was stored."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class IntEnumColumn(TypeDecorator[EventType]):
    """An event type, stored as its code."""

    impl = SmallInteger
    cache_ok = True

    def process_bind_param(self, value: EventType | None, _dialect: Dialect) -> int | None:
        """Return what is stored."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> EventType | None:
        """Return what was stored."""
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


PublicId = Uuid(as_uuid=False)
