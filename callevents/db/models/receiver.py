"""Receivers: third-party applications that hooks share."""

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import Pbx
from callevents.db.types import (
    MAX_NUMBER_LENGTH,
    MAX_URL_LENGTH,
    UtcDateTime,
    text_enum,
    utc_now,
)
from callevents.enums import ReceiverAuth
from callevents.extensions import Model
from callevents.validation import MAX_NAME_LENGTH


class Receiver(Model):
    """A third-party application: address, authentication and limits that its hooks share."""

    __tablename__ = "receiver"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    #: None: hooks of all PBXs can use it.
    pbx_id: Mapped[int | None] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), index=True)
    #: The name of the recipe; empty without one.
    recipe: Mapped[str] = mapped_column(String(64), default="")
    #: What the URLs of its hooks begin with. May have placeholders such as {receiver.token}.
    address: Mapped[str] = mapped_column(String(MAX_URL_LENGTH))
    #: A JSON list of name, value and whether it is secret; secret values are encrypted.
    values: Mapped[str] = mapped_column(Text, default="")

    auth: Mapped[ReceiverAuth] = mapped_column(
        text_enum(ReceiverAuth, 32), default=ReceiverAuth.NONE
    )
    #: An encrypted JSON object; which members it has depends on `auth`. Empty: none.
    auth_secret: Mapped[str] = mapped_column(Text, default="")
    #: The client's certificate, in PEM, and its encrypted private key.
    client_certificate: Mapped[str] = mapped_column(Text, default="")
    client_key: Mapped[str] = mapped_column(Text, default="")

    #: The access token of OAuth 2.0, encrypted; empty: there is none.
    access_token: Mapped[str] = mapped_column(Text, default="")
    access_token_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: From then on a new one is fetched, while this one is still valid.
    access_token_renew_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When a token was last discarded because the receiver had refused it.
    access_token_refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Until then one worker renews it, and no other.
    renewing_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Why the last renewal failed, and when; empty if it succeeded.
    renewal_error: Mapped[str] = mapped_column(Text, default="")
    renewal_failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    #: Limits; None: only those of the settings.
    max_in_flight: Mapped[int | None] = mapped_column(Integer)
    max_per_second: Mapped[float | None] = mapped_column(Float)
    #: Times before this one are taken by requests, as `max_per_second` allows.
    paced_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    pbx: Mapped[Pbx | None] = relationship()


class ReceiverUser(Model):
    """Who an extension is in a receiver: its user id, name or e-mail address there."""

    __tablename__ = "receiver_user"

    receiver_id: Mapped[int] = mapped_column(
        ForeignKey(Receiver.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    pbx_id: Mapped[int] = mapped_column(
        ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    number: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH), primary_key=True)
    user: Mapped[str] = mapped_column(String(255))
