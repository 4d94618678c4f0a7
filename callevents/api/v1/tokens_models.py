"""What API tokens look like in requests and answers."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from callevents.api.v1.models import Answer, Body, Changes, GivenMoment, ListQuery, Moment, optional
from callevents.api_access.scopes import V1_SCOPES, ApiScope
from callevents.validation import MAX_NAME_LENGTH


def _check_is_of_v1(scope: ApiScope) -> ApiScope:
    if scope not in V1_SCOPES:
        raise ValueError("An API token cannot have this scope.")
    return scope


#: A scope of this API.
V1Scope = Annotated[
    ApiScope,
    AfterValidator(_check_is_of_v1),
    WithJsonSchema({"type": "string", "enum": [scope.value for scope in V1_SCOPES]}),
]


class ApiToken(Answer):
    """An API token. Its text cannot be read again."""

    id: str
    name: str
    user: str = Field(description="The owner: the token may never do more.")
    scopes: list[V1Scope]
    pbx: str | None = Field(description="The PBX that it is limited to; null: all of the owner's.")
    begins_with: str = Field(description="The token's first characters.")
    created_at: Moment
    expires_at: Moment | None = Field(description="null: it does not expire.")
    last_used_at: Moment | None = Field(description="Up to a minute behind the last request.")
    last_used_address: str = Field(description="The client's IP address; empty: not used yet.")


class CreatedApiToken(ApiToken):
    """A new API token, with its text."""

    token: str = Field(description="What you send as Bearer. It is shown this once.")


class NewApiToken(Body):
    """An API token to create."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    scopes: list[V1Scope] = Field(min_length=1, description="At most those of the calling token.")
    user: str | None = optional(
        "The owner: by default that of the calling token. For another user the owner of the "
        "calling token must be an admin of all PBXs."
    )
    pbx: str | None = optional(
        "The PBX to limit it to; null: all of the owner's. By default as the calling token."
    )
    expires_at: GivenMoment | None = optional(
        "null: never. By default as the calling token, and never later than that."
    )


class ApiTokenChanges(Changes):
    """What to change of an API token."""

    name: str = Field("", min_length=1, max_length=MAX_NAME_LENGTH)
    scopes: list[V1Scope] = Field(
        [], min_length=1, description="At most those of the calling token."
    )
    expires_at: GivenMoment | None = Field(
        None, description="null: never. Not later than the calling token."
    )


class ApiTokenQuery(ListQuery):
    """Which tokens to list."""

    user: str | None = optional("Only tokens of this user.")


EXAMPLE = {
    "id": "01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
    "name": "CRM import",
    "user": "olga",
    "scopes": ["hooks:read", "hooks:write"],
    "pbx": "head-office",
    "begins_with": "cea_V7pX8",
    "created_at": "2026-03-01T09:30:00.000Z",
    "expires_at": "2026-06-01T00:00:00.000Z",
    "last_used_at": None,
    "last_used_address": "",
}
