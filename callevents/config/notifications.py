"""Settings of notifications: e-mail and HTTP."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup


class NotificationSettings(SettingsGroup):
    """Notifications by e-mail and HTTP."""

    public_url: str = Field(
        "",
        description="Public address of the pages, for links in notifications and invitations, for "
        "the PBX's report URL in lines to copy, for passkeys and for single sign-on; for example "
        "https://calls.example. Empty: the address in the browser, if it is known to be this "
        "server's.",
    )
    mail_from: str = Field("", description="Sender of e-mail, such as calls@example.com.")
    mail_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Recipients of notifications, separated by commas."
    )
    smtp_url: str = Field(
        "",
        description="Mail server for notifications and invitations, as "
        "smtp://user:password@host:587 or smtps://host. Empty: no e-mail.",
    )
    notify_url: str = Field(
        "", description="URL that gets notifications as a POST of JSON. Empty: none."
    )

    @field_validator("mail_to", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("mail_from", "mail_to")
    @classmethod
    def _check_addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for address in (value,) if isinstance(value, str) else value:
            if address and not re.fullmatch(r"[!-~]+@[!-~]+", address):
                raise ValueError(f"{address!r} is not an e-mail address such as calls@example.com")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, value: str, info: ValidationInfo) -> str:
        _check_url_of(value, "smtp://", "smtps://")
        if value and not (info.data.get("mail_from") and info.data.get("mail_to")):
            raise ValueError("requires CALLEVENTS_MAIL_FROM and CALLEVENTS_MAIL_TO")
        return value

    @field_validator("public_url", "notify_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        _check_url_of(value, "http://", "https://")
        return value.rstrip("/")


def _check_url_of(text: str, *schemes: str) -> None:
    """Raise ValueError unless the text is empty, or a URL with one of the schemes and a host."""
    if not text:
        return
    if not text.startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}")
    # Reading an invalid port raises ValueError too.
    if not urlsplit(text).hostname or urlsplit(text).port == 0:
        raise ValueError("must have a host")
