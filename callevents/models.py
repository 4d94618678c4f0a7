"""The data model. Times are UTC with milliseconds; ids that leave the system are unguessable."""

import secrets
import string
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask_login import UserMixin
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    literal,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship
from uuid_utils import uuid7

from callevents.enums import (
    CallFlow,
    CallStatus,
    DeliveryState,
    EventType,
    Method,
    Role,
)
from callevents.extensions import Model

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


def to_id(text: str) -> str | None:
    """Return the id as it is stored, None for what cannot be one."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


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
        value = to_milliseconds(value.astimezone(UTC))
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


def _text_enum(kind: type[Any], length: int) -> Enum:
    """Return a column type that stores an enumeration's values as plain text."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


PublicId = Uuid(as_uuid=False)


class Pbx(Model):
    """One phone system that reports to us."""

    __tablename__ = "pbx"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class IngestToken(Model):
    """A secret with which a PBX reports. Only its SHA-256 is kept: it is random and long."""

    __tablename__ = "ingest_token"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    #: The token's first characters, by which people tell two apart.
    hint: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Extension(Model):
    """A number of a PBX."""

    __tablename__ = "extension"
    __table_args__ = (UniqueConstraint("pbx_id", "number"),)

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    number: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH))
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    pbx: Mapped[Pbx] = relationship()


class SeenExtension(Model):
    """A number that a PBX has reported and nobody has added yet."""

    __tablename__ = "seen_extension"

    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH), primary_key=True)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Hook(Model):
    """A configured request: extension, or all of a PBX, x event type -> method, URL, note."""

    __tablename__ = "hook"
    __table_args__ = (
        Index("ix_hook_pbx_id_event_type", "pbx_id", "event_type"),
        Index("ix_hook_extension_id", "extension_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(
        String(EVENT_ID_LENGTH), unique=True, default=new_event_id
    )
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    #: None: the hook applies to all extensions of the PBX.
    extension_id: Mapped[str | None] = mapped_column(ForeignKey(Extension.id, ondelete="CASCADE"))
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    method: Mapped[Method] = mapped_column(_text_enum(Method, 8), default=Method.GET)
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    note: Mapped[str] = mapped_column(String(MAX_NOTE_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    pbx: Mapped[Pbx] = relationship()
    extension: Mapped[Extension | None] = relationship()


class CallEvent(Model):
    """Something that happened to one extension in one call, as accepted."""

    __tablename__ = "call_event"
    __table_args__ = (
        UniqueConstraint("pbx_id", "key"),
        Index("ix_call_event_pbx_id_received_at", "pbx_id", "received_at"),
        Index("ix_call_event_pbx_id_call_id", "pbx_id", "call_id"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    #: What makes a repeated report the same event; see callevents/ingest.py.
    key: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    extension: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH))
    call_id: Mapped[str] = mapped_column(String(255), default="")
    leg_id: Mapped[str] = mapped_column(String(255), default="")
    peer: Mapped[str] = mapped_column(String(255), default="")
    caller_number: Mapped[str] = mapped_column(String(255), default="")
    caller_name: Mapped[str] = mapped_column(String(255), default="")
    caller_extension: Mapped[str] = mapped_column(String(255), default="")
    called_number: Mapped[str] = mapped_column(String(255), default="")
    called_extension: Mapped[str] = mapped_column(String(255), default="")
    called_did: Mapped[str] = mapped_column(String(255), default="")
    flow: Mapped[CallFlow | None] = mapped_column(_text_enum(CallFlow, 8))
    status: Mapped[CallStatus | None] = mapped_column(_text_enum(CallStatus, 16))
    cause: Mapped[int | None] = mapped_column(SmallInteger)
    duration_seconds: Mapped[int | None] = mapped_column(Integer)
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    pbx: Mapped[Pbx] = relationship()


class Delivery(Model):
    """One call event on its way to one hook. Together the pending ones are the outbox.

    `due_at` is when a worker may claim it. Claiming sets it to the end of the lease and adds one
    to `fence`, so a killed worker's delivery becomes due again by itself, and what a worker says
    late, after another has claimed the delivery, is told from what counts.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "ix_delivery_due",
            "due_at",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_delivery_hook_open",
            "hook_id",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_delivery_hook_id_id", "hook_id", "id"),
        Index("ix_delivery_call_event_id", "call_event_id"),
        Index("ix_delivery_pbx_id_id", "pbx_id", "id"),
        CheckConstraint("attempts >= 0", "attempts"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    call_event_id: Mapped[str] = mapped_column(ForeignKey(CallEvent.id, ondelete="CASCADE"))
    #: No foreign key: removing a hook must not touch all that it ever delivered. Ids of hooks are
    #: never given again. What the hook was stays in the next three columns.
    hook_id: Mapped[int] = mapped_column(Integer)
    hook_event_id: Mapped[str] = mapped_column(String(EVENT_ID_LENGTH))
    method: Mapped[Method] = mapped_column(_text_enum(Method, 8))
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    state: Mapped[DeliveryState] = mapped_column(
        _text_enum(DeliveryState, 16), default=DeliveryState.PENDING
    )
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When the present lease began; None while no worker has it.
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Of the last attempt.
    attempted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str] = mapped_column(Text, default="")
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    call_event: Mapped[CallEvent] = relationship()
    pbx: Mapped[Pbx] = relationship()
    hook: Mapped[Hook | None] = relationship(
        primaryjoin="foreign(Delivery.hook_id) == Hook.id", viewonly=True
    )


#: Written into statements as it is and not as a parameter: databases use the partial indexes on
#: open deliveries only for statements that are about open ones whatever their parameters are.
IS_OPEN = Delivery.state == literal(
    DeliveryState.PENDING, type_=Delivery.__table__.c.state.type, literal_execute=True
)


class Attempt(Model):
    """One HTTP request made for a delivery."""

    __tablename__ = "attempt"

    delivery_id: Mapped[str] = mapped_column(
        ForeignKey(Delivery.id, ondelete="CASCADE"), primary_key=True
    )
    #: Counts from 1 within its delivery.
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(Integer)
    status_code: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str] = mapped_column(Text, default="")
    method: Mapped[Method] = mapped_column(_text_enum(Method, 8))
    url: Mapped[str] = mapped_column(Text)
    request_headers: Mapped[list[list[str]]] = mapped_column(JSON)
    request_body: Mapped[str] = mapped_column(Text, default="")
    response_headers: Mapped[list[list[str]]] = mapped_column(JSON)
    response_body: Mapped[str] = mapped_column(Text, default="")
    response_truncated: Mapped[bool] = mapped_column(Boolean, default=False)


class User(UserMixin, Model):  # type: ignore[misc]  # Flask-Login has no types
    """Somebody who may sign in."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Kept in lower case, so that two spellings are one user.
    username: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(_text_enum(Role, 16), default=Role.VIEWER)
    #: Goes up when the password changes, which ends all other sessions.
    session_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @property
    def is_admin(self) -> bool:
        """Whether the user may change things."""
        return self.role is Role.ADMIN

    def get_id(self) -> str:
        """Return what the session keeps of the user."""
        return f"{self.id}.{self.session_version}"


class SignInFailure(Model):
    """How often sign-in has failed lately for one account or one address."""

    __tablename__ = "sign_in_failure"

    #: A digest of 'account:NAME' or 'address:ADDRESS'.
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    blocked_until: Mapped[datetime] = mapped_column(UtcDateTime)
