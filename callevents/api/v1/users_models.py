"""What the API takes and shows of users."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from callevents.api.v1.models import Answer, Body, Changes, Moment
from callevents.db.models import MAX_EMAIL_LENGTH, MAX_NUMBER_LENGTH
from callevents.db.models import User as UserRow
from callevents.enums import Role, UserState
from callevents.users.grants import MAX_GRANTS
from callevents.users.passwords import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH
from callevents.users.users import EMAIL_PATTERN, MAX_USERNAME_LENGTH
from callevents.validation import MAX_SLUG_LENGTH

#: Empty: none.
Email = Annotated[
    str,
    Field(max_length=MAX_EMAIL_LENGTH),
    WithJsonSchema(
        {"type": "string", "maxLength": MAX_EMAIL_LENGTH, "pattern": f"^({EMAIL_PATTERN})?$"}
    ),
]
EMAIL = "For the links of invitations and resets; empty: none."
ROLES = "The user may do what any of them allows."


class UserRole(Answer):
    """A role for all PBXs, for one PBX, or for one extension."""

    role: Role
    pbx: str | None = Field(description="The short name of the PBX; null: all PBXs.")
    extension: str | None = Field(description="The number; only with the role self-service.")


class GivenRole(Body):
    """A role for all PBXs, for one PBX, or for one extension."""

    role: Role
    pbx: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_SLUG_LENGTH,
        description="The short name of the PBX; null: all PBXs.",
    )
    extension: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_NUMBER_LENGTH,
        description="The number; the role self-service needs a PBX and an extension, others take "
        "no extension.",
    )


GivenRoles = Annotated[
    list[GivenRole], Field(min_length=1, max_length=MAX_GRANTS, description=ROLES)
]


class User(Answer):
    """A user."""

    username: str
    email: str = Field(description=EMAIL)
    roles: list[UserRole] = Field(description=ROLES)
    disabled: bool = Field(description="A disabled user and the user's tokens can do nothing.")
    state: UserState = Field(
        description="`invited`: has a link to set a password, and has not done so."
    )
    created_at: Moment
    last_sign_in_at: Moment | None


def roles_of(row: UserRow) -> list[UserRole]:
    """Return the roles of the user as the API shows them."""
    return [
        UserRole(
            role=grant.role,
            pbx=grant.pbx.slug if grant.pbx else None,
            extension=grant.extension.number if grant.extension else None,
        )
        for grant in row.grants
    ]


class PasswordLink(Answer):
    """A link with which the user sets a password. It works once."""

    link: str = Field(description="It is shown this once.")
    expires_at: Moment
    email_to: str | None = Field(
        description="The address to which it is sent by e-mail as well. null: it is not sent, "
        "because the user has no address, or the server has no mail server or no public URL."
    )


class CreatedUser(User):
    """A new user, with the link of the invitation."""

    invitation: PasswordLink | None = Field(description="null: the user has a password.")


class NewUser(Body):
    """A user to add."""

    username: str = Field(
        min_length=1,
        max_length=MAX_USERNAME_LENGTH,
        pattern=r"^[^/\\]+$",
        description="Without slashes. It is stored in lower case, and it stays.",
    )
    email: Email = Field("", description=EMAIL)
    roles: GivenRoles
    password: str | None = Field(
        None,
        min_length=MIN_PASSWORD_LENGTH,
        max_length=MAX_PASSWORD_LENGTH,
        description="Without one the user is invited: the answer has a link to set one.",
    )


class UserChanges(Changes):
    """What to change of a user."""

    email: Email | None = Field(None, description=EMAIL)
    roles: GivenRoles = Field([])
    disabled: bool | None = Field(None, description="true signs the user out; null: not disabled.")


class UserGrants(Answer):
    """All roles of a user."""

    roles: list[UserRole] = Field(description=ROLES)


class NewUserGrants(Body):
    """All roles that a user is to have."""

    roles: GivenRoles


ROLE_EXAMPLES = [
    {"role": "operator", "pbx": "head-office", "extension": None},
    {"role": "self-service", "pbx": "branch", "extension": "101"},
]
USER_EXAMPLE = {
    "username": "ben",
    "email": "ben@example.com",
    "roles": ROLE_EXAMPLES,
    "disabled": False,
    "state": "active",
    "created_at": "2026-03-01T09:30:00.000Z",
    "last_sign_in_at": "2026-03-02T07:58:10.402Z",
}
LINK_EXAMPLE = {
    "link": "https://calls.example.com/welcome/QYw5nJ2hR8tVb0KcX4mLz7aPd1sGf6eU9iOo3NpTqHk",
    "expires_at": "2026-03-03T09:30:00.000Z",
    "email_to": "ben@example.com",
}
