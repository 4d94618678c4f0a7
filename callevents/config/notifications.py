"""Who is told of what goes wrong, and by what way."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup


class NotificationSettings(SettingsGroup):
    """E-mail and notifications by HTTP."""

    public_url: str = Field(
        "",
        description="Where people reach the pages, for links in notifications; for example "
        "https://calls.example.",
    )
    mail_from: str = Field("", description="Sender of e-mail, such as calls@example.com.")
    mail_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Who gets e-mail, with commas between addresses."
    )
    smtp_url: str = Field(
        "",
        description="Mail server for notifications, as smtp://user:password@host:587 or "
        "smtps://host. Empty: no e-mail.",
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
        _refuse_url(value, "smtp://", "smtps://")
        if value and not (info.data.get("mail_from") and info.data.get("mail_to")):
            raise ValueError("needs CALLEVENTS_MAIL_FROM and CALLEVENTS_MAIL_TO beside it")
        return value

    @field_validator("public_url", "notify_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        _refuse_url(value, "http://", "https://")
        return value.rstrip("/")


def _refuse_url(text: str, *beginnings: str) -> None:
    """Raise ValueError unless the text is empty or such a URL with a host."""
    if not text:
        return
    if not text.startswith(beginnings):
        raise ValueError(f"must begin with {' or '.join(beginnings)}")
    # Reading the port raises a ValueError of its own.
    if not urlsplit(text).hostname or urlsplit(text).port == 0:
        raise ValueError("must have a host")
