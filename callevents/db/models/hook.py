"""Hooks (configured requests) and the origins of their URLs."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import Extension, Pbx
from callevents.db.types import (
    EVENT_ID_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_URL_LENGTH,
    IntEnumColumn,
    UtcDateTime,
    new_event_id,
    text_enum,
    utc_now,
)
from callevents.enums import (
    AuthKind,
    BodyFormat,
    EventType,
    HookScope,
    Method,
    MissingAnswer,
    ParameterSet,
)
from callevents.extensions import Model

if TYPE_CHECKING:
    from callevents.db.models.receiver import Receiver

#: Stands for all extensions of a PBX.
ALL_EXTENSIONS = "*"

MAX_ORIGIN_LENGTH = 300
GIVE_UP_SECONDS = 24 * 3600
_FAILING = text("failing_since IS NOT NULL")
_SUSPENDED = text("suspended_at IS NOT NULL")
_ONCE_PER_CALL = text("scope = 'call'")


class Origin(Model):
    """Scheme, host and port of receivers, and the state of their circuit breaker.

    All workers share the breaker. Closed: `probe_at` is None. Open: nothing is sent until
    `probe_at`, and then only one delivery, as a probe.
    """

    __tablename__ = "origin"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: For example https://crm.example.com:443, always with the port.
    name: Mapped[str] = mapped_column(String(MAX_ORIGIN_LENGTH), unique=True)
    #: Attempts since the last response that found no connection, or timed out.
    failures: Mapped[int] = mapped_column(Integer, default=0)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: How often the breaker has opened, or stayed open after a probe, since the last response.
    times_opened: Mapped[int] = mapped_column(Integer, default=0)
    #: Why it is open: the error of the last attempt.
    error: Mapped[str] = mapped_column(Text, default="")

    @property
    def is_open(self) -> bool:
        """True if the circuit breaker is open."""
        return self.probe_at is not None


class Hook(Model):
    """A configured request: extension, or all of a PBX, x event type -> method, URL, note."""

    __tablename__ = "hook"
    __table_args__ = (
        Index("ix_hook_pbx_id_event_type", "pbx_id", "event_type"),
        Index("ix_hook_pbx_id_id", "pbx_id", "id"),
        Index("ix_hook_extension_id", "extension_id"),
        Index("ix_hook_origin_id", "origin_id"),
        Index("ix_hook_receiver_id", "receiver_id"),
        Index("ix_hook_failing", "failing_since", sqlite_where=_FAILING, postgresql_where=_FAILING),
        Index(
            "ix_hook_suspended",
            "pbx_id",
            "suspended_at",
            sqlite_where=_SUSPENDED,
            postgresql_where=_SUSPENDED,
        ),
        Index(
            "ix_hook_once_per_call",
            "pbx_id",
            "event_type",
            sqlite_where=_ONCE_PER_CALL,
            postgresql_where=_ONCE_PER_CALL,
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(
        String(EVENT_ID_LENGTH), unique=True, default=new_event_id
    )
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    #: None: the hook applies to all extensions of the PBX.
    extension_id: Mapped[str | None] = mapped_column(ForeignKey(Extension.id, ondelete="CASCADE"))
    #: Its URL begins with the address of the receiver, which stays as long as it has hooks. No
    #: foreign key: SQLite cannot drop such a column.
    receiver_id: Mapped[int | None] = mapped_column(Integer)
    #: The name of the recipe's request from which it was made; empty without one.
    recipe_request: Mapped[str] = mapped_column(String(64), default="", server_default="")
    event_type: Mapped[EventType] = mapped_column(IntEnumColumn)
    method: Mapped[Method] = mapped_column(text_enum(Method, 8), default=Method.GET)
    url: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    note: Mapped[str] = mapped_column(String(MAX_NOTE_LENGTH), default="")
    #: Of the URL. Origins are never removed, so a foreign key is not needed.
    origin_id: Mapped[int] = mapped_column(Integer)

    #: No attempt starts when a delivery is older than this.
    give_up_seconds: Mapped[int] = mapped_column(Integer, default=GIVE_UP_SECONDS)
    #: True if deliveries of the same call are sent in order.
    in_order: Mapped[bool] = mapped_column(Boolean, default=True)
    body_format: Mapped[BodyFormat] = mapped_column(
        text_enum(BodyFormat, 8), default=BodyFormat.FORM
    )
    parameters: Mapped[ParameterSet] = mapped_column(
        text_enum(ParameterSet, 8), default=ParameterSet.ALL
    )
    #: Of a body from a template, with its template; see delivery/request/templates.py.
    content_type: Mapped[str] = mapped_column(String(100), default="", server_default="")
    body_template: Mapped[str] = mapped_column(Text, default="", server_default="")
    #: A JSON object: for each map, a JSON object of values and what is sent instead.
    value_maps: Mapped[str] = mapped_column(Text, default="", server_default="")
    scope: Mapped[HookScope] = mapped_column(
        text_enum(HookScope, 16), default=HookScope.EXTENSION, server_default=HookScope.EXTENSION
    )
    #: Of hooks that are sent once per call together, such as those of the extensions that a
    #: receiver is connected to: the ID of the first one; None: of this hook alone.
    once_id: Mapped[int | None] = mapped_column(Integer)
    #: A JSON object; see conditions/conditions.py.
    conditions: Mapped[str] = mapped_column(Text, default="", server_default="")
    #: A JSON object: names of values that are kept, and JSON pointers into the answer.
    answers: Mapped[str] = mapped_column(Text, default="", server_default="")
    missing_answer: Mapped[MissingAnswer] = mapped_column(
        text_enum(MissingAnswer, 8), default=MissingAnswer.FAIL, server_default=MissingAnswer.FAIL
    )
    auth: Mapped[AuthKind] = mapped_column(text_enum(AuthKind, 8), default=AuthKind.NONE)
    #: Secrets are encrypted; empty means none. This one is a JSON list of username and secret.
    auth_secret: Mapped[str] = mapped_column(Text, default="")
    #: A JSON list of names and values; only the values are encrypted.
    custom_headers: Mapped[str] = mapped_column(Text, default="")
    signing_secret: Mapped[str] = mapped_column(Text, default="")
    previous_signing_secret: Mapped[str] = mapped_column(Text, default="")
    #: Until then requests are signed with the previous secret too.
    previous_secret_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    #: When the first failure since the last success was; None if the last attempt succeeded.
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    suspended_reason: Mapped[str] = mapped_column(Text, default="")

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    pbx: Mapped[Pbx] = relationship()
    extension: Mapped[Extension | None] = relationship()
    receiver: Mapped["Receiver | None"] = relationship(
        primaryjoin="foreign(Hook.receiver_id) == Receiver.id", viewonly=True
    )
    origin: Mapped[Origin] = relationship(
        primaryjoin="foreign(Hook.origin_id) == Origin.id", viewonly=True
    )
