"""What PBXs look like in requests and answers."""

from typing import Annotated, Self

from flask import url_for
from pydantic import Field

from callevents.api.outer_origin import outer_origin
from callevents.api.v1.models import Answer, Body, Changes, Moment
from callevents.db import models
from callevents.enums import Format
from callevents.pbxs.data_protection import MAX_DAYS
from callevents.pbxs.number_plan import (
    MAX_INTERNAL_LENGTH,
    MAX_PREFIX_LENGTH,
    internal_lengths,
)
from callevents.pbxs.pbxs import MAX_SECRET_LENGTH
from callevents.pbxs.quotas import MAX_COUNT, MAX_QUOTA
from callevents.validation import MAX_NAME_LENGTH

Quota = Annotated[int, Field(ge=1, le=MAX_QUOTA)]
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]
Secret = Annotated[str, Field(min_length=1, max_length=MAX_SECRET_LENGTH)]
Country = Annotated[str, Field(pattern="^([A-Z]{2})?$")]
Prefix = Annotated[str, Field(pattern=f"^[0-9]{{0,{MAX_PREFIX_LENGTH}}}$")]
Lengths = Annotated[
    list[Annotated[int, Field(ge=1, le=MAX_INTERNAL_LENGTH)]],
    Field(max_length=MAX_INTERNAL_LENGTH),
]

NAME = Field(
    max_length=MAX_NAME_LENGTH,
    description="The name for people. No two PBXs have the same one, regardless of case.",
)
FORMAT = "The format of its reports: that of its vendor, or the native one (`generic`)."
SIGNATURE = (
    "The secret with which the vendor signs reports. Without one, signatures are not checked. Only "
    "for formats that have signatures. It is never returned."
)
EVENTS_PER_MINUTE = "The call events that are accepted in a minute over HTTP; null: no limit."
OPEN_DELIVERIES = "While so many deliveries wait, reports are rejected; null: no limit."
EXTENSIONS = "The extensions that it may have; null: no limit."
HOOKS = "The requests that it may have; null: no limit."
RETENTION = (
    "The days for which its call events and their deliveries are kept; null: as long as the "
    "installation keeps them."
)
HIDES_NUMBERS = (
    "True: only admins see whole phone numbers in calls and deliveries, others the last digits."
)
COUNTRY = (
    "The country of its numbers, in two letters (ISO 3166); empty: none. Needed by the other rules."
)
OUTSIDE_PREFIX = "Digits that are dialed before outside numbers. They are removed."
TRUNK_PREFIX = "Digits that trunks put before numbers. They are removed."
INTERNAL_LENGTHS = "Numbers with this many digits are internal and stay as they are."


class Pbx(Answer):
    """A phone system that reports call events."""

    slug: str = Field(description="The short name in addresses. It never changes.")
    name: str = Field(description="The name for people.")
    format: Format = Field(description=FORMAT)
    has_format_secret: bool = Field(description="True if signatures of reports are checked.")
    ingest_url: str = Field(
        description="The address to which the PBX sends its reports, with an ingest token."
    )
    max_events_per_minute: int | None = Field(description=EVENTS_PER_MINUTE)
    max_open_deliveries: int | None = Field(description=OPEN_DELIVERIES)
    max_extensions: int | None = Field(description=EXTENSIONS)
    max_hooks: int | None = Field(description=HOOKS)
    retention_days: int | None = Field(description=RETENTION)
    hides_numbers: bool = Field(description=HIDES_NUMBERS)
    country: str = Field(description=COUNTRY)
    outside_prefix: str = Field(description=OUTSIDE_PREFIX)
    trunk_prefix: str = Field(description=TRUNK_PREFIX)
    internal_lengths: list[int] = Field(description=INTERNAL_LENGTHS)
    created_at: Moment
    #: Changes with the secret, and with it the ETag.
    secret_version: str = Field("", exclude=True)

    @classmethod
    def of(cls, pbx: models.Pbx, **more: str) -> Self:
        """Return the PBX; `more`: further fields of a derived class."""
        path = url_for("ingest.receive", slug=pbx.slug)
        return cls(
            slug=pbx.slug,
            name=pbx.name,
            format=pbx.format,
            has_format_secret=bool(pbx.format_secret),
            ingest_url=outer_origin() + path,
            max_events_per_minute=pbx.max_events_per_minute,
            max_open_deliveries=pbx.max_open_deliveries,
            max_extensions=pbx.max_extensions,
            max_hooks=pbx.max_hooks,
            retention_days=pbx.retention_days,
            hides_numbers=pbx.hides_numbers,
            country=pbx.country,
            outside_prefix=pbx.outside_prefix,
            trunk_prefix=pbx.trunk_prefix,
            internal_lengths=internal_lengths(pbx),
            created_at=pbx.created_at,
            secret_version=pbx.format_secret,
            **more,
        )


class CreatedPbx(Pbx):
    """A PBX that was added, with its first ingest token."""

    ingest_token: str = Field(
        description="The token that authenticates its reports. It cannot be read again."
    )


class NewPbx(Body):
    """A PBX to add."""

    name: str = NAME
    format: Format = Field(Format.GENERIC, description=FORMAT)
    format_secret: Secret | None = Field(None, description=SIGNATURE)
    max_events_per_minute: Quota | None = Field(None, description=EVENTS_PER_MINUTE)
    max_open_deliveries: Quota | None = Field(None, description=OPEN_DELIVERIES)
    max_extensions: Quota | None = Field(None, description=EXTENSIONS)
    max_hooks: Quota | None = Field(None, description=HOOKS)
    retention_days: Days | None = Field(None, description=RETENTION)
    hides_numbers: bool = Field(False, description=HIDES_NUMBERS)
    country: Country = Field("", description=COUNTRY)
    outside_prefix: Prefix = Field("", description=OUTSIDE_PREFIX)
    trunk_prefix: Prefix = Field("", description=TRUNK_PREFIX)
    internal_lengths: Lengths = Field(default_factory=list, description=INTERNAL_LENGTHS)


class PbxChanges(Changes):
    """What to change of a PBX. Null resets a setting: quotas to no limit, others as when added."""

    name: str = Field("", max_length=MAX_NAME_LENGTH, description="The name for people.")
    format: Format | None = Field(None, description=FORMAT)
    format_secret: Secret | None = Field(None, description=SIGNATURE)
    max_events_per_minute: Quota | None = Field(None, description=EVENTS_PER_MINUTE)
    max_open_deliveries: Quota | None = Field(None, description=OPEN_DELIVERIES)
    max_extensions: Quota | None = Field(None, description=EXTENSIONS)
    max_hooks: Quota | None = Field(None, description=HOOKS)
    retention_days: Days | None = Field(None, description=RETENTION)
    hides_numbers: bool | None = Field(None, description=HIDES_NUMBERS)
    country: Country | None = Field(None, description=COUNTRY)
    outside_prefix: Prefix | None = Field(None, description=OUTSIDE_PREFIX)
    trunk_prefix: Prefix | None = Field(None, description=TRUNK_PREFIX)
    internal_lengths: Lengths | None = Field(None, description=INTERNAL_LENGTHS)


class QuotaUsage(Answer):
    """How much a PBX uses of one quota."""

    used: int = Field(description=f"Counted up to {MAX_COUNT:,}.")
    limit: int | None = Field(description="Null: no limit.")


class PbxUsage(Answer):
    """What a PBX has and does at this moment."""

    max_events_per_minute: QuotaUsage = Field(description="Call events in the last minute.")
    max_open_deliveries: QuotaUsage = Field(description="Deliveries that wait.")
    max_extensions: QuotaUsage = Field(description="Its extensions.")
    max_hooks: QuotaUsage = Field(description="Its requests.")
    last_event_at: Moment | None = Field(description="When its last call event was received.")
