"""What PBXs look like in requests and answers."""

from typing import Annotated, Self

from flask import url_for
from pydantic import Field

from callevents.api.outer_origin import outer_origin
from callevents.api.v1.models import Answer, Body, Changes, Moment
from callevents.db import models
from callevents.enums import Format
from callevents.pbxs.data_protection import MAX_DAYS
from callevents.pbxs.pbxs import MAX_SECRET_LENGTH
from callevents.pbxs.quotas import MAX_COUNT, MAX_QUOTA
from callevents.validation import MAX_NAME_LENGTH

Quota = Annotated[int, Field(ge=1, le=MAX_QUOTA)]
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]
Secret = Annotated[str, Field(min_length=1, max_length=MAX_SECRET_LENGTH)]

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
