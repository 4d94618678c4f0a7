"""Settings of signing in."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup
from callevents.config.oidc import OidcProvider, read_providers
from callevents.enums import Role


class SignInSettings(SettingsGroup):
    """Which proofs a user needs to sign in, and where they are checked."""

    second_factor_roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        (),
        description="Roles whose users need a second factor, separated by commas, such as admin. "
        "Users who have none set it up when they next sign in.",
    )
    oidc_providers: Annotated[tuple[OidcProvider, ...], NoDecode] = Field(
        (),
        description="Providers of single sign-on: JSON, or the name of a file with it.",
    )
    break_glass_user: str = Field(
        "",
        description="Name of an admin who can sign in with a password although local passwords are "
        "switched off.",
    )
    local_passwords: bool = Field(
        True,
        description="Whether users can sign in with a password or a passkey. `off` requires single "
        "sign-on of everybody but the break-glass user, and ends other sessions.",
    )

    @field_validator("oidc_providers", mode="before")
    @classmethod
    def _read_providers(cls, value: object) -> object:
        return read_providers(value) if isinstance(value, str) else value

    @field_validator("oidc_providers")
    @classmethod
    def _check_slugs(cls, value: tuple[OidcProvider, ...]) -> tuple[OidcProvider, ...]:
        if len({provider.slug for provider in value}) < len(value):
            raise ValueError("each provider must have a slug of its own")
        return value

    @field_validator("break_glass_user")
    @classmethod
    def _normalize(cls, value: str) -> str:
        return value.strip().lower()

    @field_validator("local_passwords")
    @classmethod
    def _check_other_ways(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and not info.data.get("oidc_providers"):
            raise ValueError("can be off only with CALLEVENTS_OIDC_PROVIDERS")
        return value

    @field_validator("second_factor_roles", mode="before")
    @classmethod
    def _split_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = [part.strip() for part in value.split(",") if part.strip()]
        for name in names:
            if name not in list(Role):
                raise ValueError(f"{name!r} is not a role; the roles are {', '.join(Role)}")
        return tuple(map(Role, names))
