"""PBXs, their ingest tokens and their extensions."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.types import (
    MAX_NUMBER_LENGTH,
    MAX_PATTERN_LENGTH,
    PublicId,
    UtcDateTime,
    new_id,
    text_enum,
    utc_now,
)
from callevents.enums import Format
from callevents.extensions import Model
from callevents.validation import MAX_NAME_LENGTH

#: Maximum length of an address or a network.
MAX_ADDRESS_LENGTH = 64


class Pbx(Model):
    """One phone system that sends reports."""

    __tablename__ = "pbx"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    #: The format of its reports.
    format: Mapped[Format] = mapped_column(text_enum(Format, 16), default=Format.GENERIC)
    #: The secret with which the vendor signs reports, encrypted; empty: signatures are not checked.
    format_secret: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    #: How long its events are kept; None: as long as the settings say.
    retention_days: Mapped[int | None] = mapped_column(Integer)
    #: True if only its admins see whole phone numbers.
    hides_numbers: Mapped[bool] = mapped_column(default=False, server_default=false())

    #: The country of its numbers, as in ISO 3166, and how they are dialed; see pbxs/number_plan.py.
    country: Mapped[str] = mapped_column(String(2), default="", server_default="")
    #: Dialed before outside numbers, and removed.
    outside_prefix: Mapped[str] = mapped_column(String(8), default="", server_default="")
    #: Put before national numbers by a trunk, and removed.
    trunk_prefix: Mapped[str] = mapped_column(String(8), default="", server_default="")
    #: Numbers with this many digits are extensions, for example "3,4".
    internal_lengths: Mapped[str] = mapped_column(String(50), default="", server_default="")

    #: Quotas; None: no limit. See pbxs/quotas.py.
    max_events_per_minute: Mapped[int | None] = mapped_column(Integer)
    max_hooks: Mapped[int | None] = mapped_column(Integer)
    max_extensions: Mapped[int | None] = mapped_column(Integer)
    max_open_deliveries: Mapped[int | None] = mapped_column(Integer)

    #: When its removal began; None: it is in use. See pbxs/removal.py.
    removing_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Rows counted when the first batch began; None: not counted yet.
    rows_to_remove: Mapped[int | None] = mapped_column(Integer)
    rows_removed: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class RemovedPbx(Model):
    """The ID of a removed PBX. SQLite would give it again, and IDs elsewhere must stay unique."""

    __tablename__ = "removed_pbx"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    removed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class IngestToken(Model):
    """A secret that authenticates a PBX's reports. Stored as SHA-256: it is random and long."""

    __tablename__ = "ingest_token"

    #: Processes cache it. A changed PBX gives its tokens new ones: see pbxs.invalidate_caches.
    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    #: The ID that users know, which stays.
    public_id: Mapped[str] = mapped_column(PublicId, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    #: The token's first characters, to distinguish it from others.
    hint: Mapped[str] = mapped_column(String(12))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Up to a minute behind the last report with it.
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The address that sent that report.
    last_used_address: Mapped[str] = mapped_column(
        String(MAX_ADDRESS_LENGTH), default="", server_default=""
    )


class UnknownToken(Model):
    """The number of recent reports to a PBX without a valid token, from one network."""

    __tablename__ = "unknown_token"

    pbx_id: Mapped[int] = mapped_column(
        ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    #: An IPv4 address or an IPv6 network; empty: all others together.
    network: Mapped[str] = mapped_column(String(MAX_ADDRESS_LENGTH), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Extension(Model):
    """A number of a PBX."""

    __tablename__ = "extension"
    __table_args__ = (
        UniqueConstraint("pbx_id", "number"),
        # Lists of the management API: newest first.
        Index("ix_extension_pbx_id_id", "pbx_id", "id"),
    )

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    number: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH))
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    pbx: Mapped[Pbx] = relationship()


class ExtensionGroup(Model):
    """Extensions of a PBX that are treated alike: chosen ones, and those of a pattern."""

    __tablename__ = "extension_group"
    __table_args__ = (UniqueConstraint("pbx_id", "name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    #: A regular expression for whole numbers; empty: only chosen extensions are members.
    pattern: Mapped[str] = mapped_column(String(MAX_PATTERN_LENGTH), default="")
    #: The extension whose requests new members get. No foreign key: it may come back with Undo.
    template_id: Mapped[str | None] = mapped_column(PublicId)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    pbx: Mapped[Pbx] = relationship()


class GroupMember(Model):
    """An extension that belongs to a group."""

    __tablename__ = "group_member"

    group_id: Mapped[int] = mapped_column(
        ForeignKey(ExtensionGroup.id, ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    extension_id: Mapped[str] = mapped_column(
        ForeignKey(Extension.id, ondelete="CASCADE"), primary_key=True, index=True
    )
    #: True if it was chosen, and not only found by the pattern.
    is_chosen: Mapped[bool] = mapped_column(default=True)


class SeenExtension(Model):
    """A number that a PBX has reported or lists, and that is not an extension yet."""

    __tablename__ = "seen_extension"

    pbx_id: Mapped[int] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[str] = mapped_column(String(MAX_NUMBER_LENGTH), primary_key=True)
    #: When it last had a call; None: the PBX only lists it.
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When the PBX last listed it; None: it does not.
    listed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Its name according to the PBX, if any.
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), default="")
    #: Not suggested again until it has a call.
    dismissed: Mapped[bool] = mapped_column(default=False)
