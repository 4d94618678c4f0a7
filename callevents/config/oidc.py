"""Providers of single sign-on, by OpenID Connect."""

import json
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from callevents.enums import Role


class OidcProvider(BaseModel):
    """One provider, as in the setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Its name in our URLs, also in the one to register at the provider.
    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    #: Its name on the sign-in page.
    label: str = Field(min_length=1, max_length=64)
    issuer: str
    client_id: str = Field(min_length=1)
    client_secret: str = ""
    scopes: str = "openid profile email"
    #: By the name of a claim and one of its values: the grants that it gives, such as `admin`, or
    #: for one PBX `viewer:head-office`.
    grants: Mapping[str, Mapping[str, tuple[str, ...]]]

    @field_validator("issuer")
    @classmethod
    def _check_issuer(cls, value: str) -> str:
        if not is_safe_url(value) or urlsplit(value).query or urlsplit(value).fragment:
            raise ValueError("must be a URL such as https://login.example without a query")
        return value

    @field_validator("scopes")
    @classmethod
    def _check_scopes(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("must contain openid")
        return value

    @field_validator("grants")
    @classmethod
    def _check_grants(
        cls, value: Mapping[str, Mapping[str, tuple[str, ...]]]
    ) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        texts = [
            text for by_value in value.values() for group in by_value.values() for text in group
        ]
        if not texts:
            raise ValueError("must give at least one grant, or nobody can sign in")
        for text in texts:
            parse_grant(text)
        return value


def parse_grant(text: str) -> tuple[Role, str | None]:
    """Return the role and the slug of the PBX, None for all; raises ValueError.

    For self-service, the number of the extension follows the slug, behind a colon.
    """
    # The number of an extension may contain colons.
    role, *scope = text.split(":", 2)
    is_of_extension = len(scope) > 1
    # An empty part never means all PBXs.
    is_complete = all(map(str.strip, scope))
    if (
        role not in list(Role)
        or not is_complete
        or is_of_extension is not (role == Role.SELF_SERVICE)
    ):
        raise ValueError(
            f"{text!r} is not a role ({', '.join(Role)}) or a role and a PBX, as viewer:x or "
            "self-service:x:101"
        )
    return Role(role), ":".join(scope) or None


def read_providers(text: str) -> object:
    """Return the providers of a JSON text, or of the file with that name; raises ValueError."""
    if not text.lstrip().startswith(("[", "{")):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            # The error's text has the file's name, which may be JSON with a secret.
            reason = getattr(error, "strerror", None) or "not a text file"
            raise ValueError(f"must be JSON or the name of a readable file ({reason})") from None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be JSON ({error})") from None
    return [found] if isinstance(found, dict) else found


def is_safe_url(text: str) -> bool:
    """Return True for an https:// URL, and for an http:// URL of this machine."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        name = parts.hostname
    except ValueError:
        return False
    return bool(name) and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_local(name or ""))
    )


def _is_local(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
