"""Receivers in the document of a configuration, without their secrets."""

from pydantic import Field

from callevents.db.models import MAX_NAME_LENGTH, MAX_NUMBER_LENGTH, MAX_URL_LENGTH
from callevents.enums import ReceiverAuth
from callevents.operations.configuration.part import Part
from callevents.receivers.users import MAX_USER_LENGTH
from callevents.security.masking import MASK


class ConfiguredValue(Part):
    """A value of a receiver."""

    name: str
    value: str | None = Field(None, description="null: it is secret.")


class ConfiguredUser(Part):
    """Who an extension is in a receiver."""

    pbx: str
    extension: str = Field(min_length=1, max_length=MAX_NUMBER_LENGTH)
    user: str = Field(min_length=1, max_length=MAX_USER_LENGTH)


class ConfiguredReceiver(Part):
    """A third-party application whose address and authentication hooks share."""

    slug: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    pbx: str | None = Field(None, description="Only hooks of this PBX can use it.")
    recipe: str = ""
    address: str = Field(
        max_length=MAX_URL_LENGTH, description=f"With `{MASK}` in the place of secrets."
    )
    values: list[ConfiguredValue] = Field(default_factory=list)
    authentication: ReceiverAuth = ReceiverAuth.NONE
    credentials: list[ConfiguredValue] = Field(
        default_factory=list, description="Parts of the authentication, such as `username`."
    )
    has_client_certificate: bool = Field(
        False, description="Whether it has a client certificate. It is not imported."
    )
    max_in_flight: int | None = None
    max_per_second: float | None = Field(None, strict=False)
    users: list[ConfiguredUser] = Field(default_factory=list, description="The user map.")
