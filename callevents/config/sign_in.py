"""Settings of signing in."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from callevents.config.base import SettingsGroup
from callevents.enums import Role


class SignInSettings(SettingsGroup):
    """Which proofs a user needs to sign in."""

    second_factor_roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        (),
        description="Roles whose users need a second factor, separated by commas, such as admin. "
        "Users who have none set it up when they next sign in.",
    )

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
