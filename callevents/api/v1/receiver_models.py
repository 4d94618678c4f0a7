"""What the API returns of receivers, and what clients send to change them."""

from collections.abc import Sequence

from pydantic import Field

from callevents.api.v1.models import Answer, Body, ListQuery, Moment, optional
from callevents.db.models import MAX_NAME_LENGTH, MAX_NUMBER_LENGTH, MAX_URL_LENGTH
from callevents.enums import ReceiverAuth
from callevents.receivers.credentials import MAX_LENGTH as MAX_CREDENTIAL_LENGTH
from callevents.receivers.status import Health
from callevents.receivers.users import MAX_USER_LENGTH
from callevents.receivers.validation import (
    MAX_IN_FLIGHT,
    MAX_PER_SECOND,
    MAX_VALUE_LENGTH,
    MAX_VALUES,
)
from callevents.security.masking import MASK

MAX_CERTIFICATE_LENGTH = 20_000
MAX_USERS_SENT = 5000

ADDRESS = (
    "What the URLs of its hooks begin with. Its path and query may have values of the receiver, "
    "such as `{receiver.team}`."
)
IN_FLIGHT = "The maximum number of requests that each worker sends to it at once; null: no limit."
PER_SECOND = "The maximum number of requests a second, all workers together; null: no limit."


class ReceiverValue(Answer):
    """A value of a receiver. Hooks use it as `{receiver.NAME}`."""

    name: str
    value: str | None = Field(description="null: it is secret.")
    is_secret: bool


class ReceiverAuthentication(Answer):
    """How requests to the receiver authenticate. Secrets are never returned."""

    kind: ReceiverAuth
    username: str | None
    scheme: str | None
    name: str | None = Field(description="Of the header, or of the query parameter.")
    token_url: str | None = Field(description=f"Secrets in it are masked as `{MASK}`.")
    client_id: str | None
    scope: str | None
    client_auth: str | None


class Receiver(Answer):
    """A third-party application."""

    receiver: str = Field(description="The short name, a part of its addresses.")
    name: str
    pbx: str | None = Field(description="Only hooks of this PBX can use it; null: those of all.")
    recipe: str | None = Field(description="The name of its recipe; null: none.")
    address: str = Field(description=f"{ADDRESS} Secrets are masked as `{MASK}`.")
    values: Sequence[ReceiverValue]
    authentication: ReceiverAuthentication
    has_client_certificate: bool
    max_in_flight: int | None = Field(description=IN_FLIGHT)
    max_per_second: float | None = Field(description=PER_SECOND)
    created_at: Moment
    modified_at: Moment
    #: Changes with the secrets, and with it the ETag.
    secret_version: str = Field("", exclude=True)


class ReceiverState(Answer):
    """Whether a receiver takes its requests."""

    health: Health = Field(
        description="`needs-secret`: a secret was left out of an import, and nothing is sent until "
        "you send it; `unused`: it has no hooks, or none of the 100 newest deliveries of each was "
        "sent; `healthy`; `failing`: attempts of some hooks fail, or some are suspended; `paused`: "
        "it was unreachable, and nothing is sent for a while."
    )
    missing_secrets: Sequence[str] = Field(
        description="Which secrets were left out of an import, such as `values/token` or "
        "`credentials/password`."
    )
    hooks: int
    active_hooks: int = Field(description="Those that are active and not suspended.")
    suspended_hooks: int
    failing_since: Moment | None
    paused_until: Moment | None
    pause_reason: str
    renewal_error: str = Field(description="Why its access token could not be renewed.")
    certificate_warning: str = Field(
        description="Set if its client certificate is invalid, or ends within 30 days; else empty."
    )
    waiting_deliveries: int
    delivered_last_hour: int
    failed_last_hour: int
    last_delivery_id: str | None


class NewReceiverValue(Body):
    """A value, or the answer to a question of the recipe."""

    name: str = Field(min_length=1, max_length=40)
    value: str | None = optional(
        "Without it, the stored value with this name is kept.", max_length=MAX_VALUE_LENGTH
    )
    is_secret: bool | None = optional("Default: false. A recipe says which values are secret.")


class NewReceiverAuthentication(Body):
    """The authentication of requests. Secrets that are left out are kept."""

    kind: ReceiverAuth
    username: str | None = optional("For `basic`.", max_length=MAX_CREDENTIAL_LENGTH)
    password: str | None = optional("For `basic`.", max_length=MAX_CREDENTIAL_LENGTH)
    token: str | None = optional("For `bearer`.", max_length=MAX_CREDENTIAL_LENGTH)
    scheme: str | None = optional(
        "For `scheme`, and for OAuth 2.0 instead of Bearer.", max_length=MAX_CREDENTIAL_LENGTH
    )
    secret: str | None = optional(
        "For `scheme`: what follows it.", max_length=MAX_CREDENTIAL_LENGTH
    )
    name: str | None = optional("For `header` and `query`.", max_length=MAX_CREDENTIAL_LENGTH)
    value: str | None = optional("For `header` and `query`.", max_length=MAX_CREDENTIAL_LENGTH)
    token_url: str | None = optional(
        "For OAuth 2.0. The masked URL that you got keeps the stored one.",
        max_length=MAX_CREDENTIAL_LENGTH,
    )
    client_id: str | None = optional("For OAuth 2.0.", max_length=MAX_CREDENTIAL_LENGTH)
    client_secret: str | None = optional("For OAuth 2.0.", max_length=MAX_CREDENTIAL_LENGTH)
    refresh_token: str | None = optional("For `refresh-token`.", max_length=MAX_CREDENTIAL_LENGTH)
    scope: str | None = optional("For OAuth 2.0.", max_length=MAX_CREDENTIAL_LENGTH)
    client_auth: str | None = optional("For OAuth 2.0: `body` or `basic`.", max_length=5)


class ReceiverSettings(Body):
    """What can be changed of a receiver. null is the default."""

    address: str | None = optional(
        f"{ADDRESS} With a recipe, it follows from the values.", max_length=MAX_URL_LENGTH
    )
    values: list[NewReceiverValue] | None = optional(
        "With a recipe: answers to its questions; others stay. Without one: all values; one that "
        "is left out is removed.",
        max_length=MAX_VALUES,
    )
    authentication: NewReceiverAuthentication | None = optional("With a recipe, leave it out.")
    client_certificate: str | None = optional(
        "In PEM; null: none.", max_length=MAX_CERTIFICATE_LENGTH
    )
    client_key: str | None = optional(
        "Its private key in PEM, without a passphrase.", max_length=MAX_CERTIFICATE_LENGTH
    )
    max_in_flight: int | None = Field(
        default_factory=lambda: None, ge=1, le=MAX_IN_FLIGHT, description=IN_FLIGHT
    )
    max_per_second: float | None = Field(
        default_factory=lambda: None,
        ge=0.01,
        le=MAX_PER_SECOND,
        strict=False,
        description=PER_SECOND,
    )


class NewReceiver(ReceiverSettings):
    """A receiver to add."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    pbx: str | None = optional("The short name of the PBX that it is for. Default: all.")
    recipe: str | None = optional("The name of a recipe. Default: none; then send an address.")


class ReceiverChanges(ReceiverSettings):
    """What to change of a receiver. Fields that are left out stay as they are."""

    # null is refused: a receiver needs a name.
    name: str = Field(default_factory=str, description="The name.", max_length=MAX_NAME_LENGTH)


class ReceiverQuery(ListQuery):
    """Which receivers to list."""

    pbx: str = optional("The short name of a PBX: receivers that its hooks can use.")
    recipe: str = optional("The name of a recipe.")


class ConnectionChoice(Body):
    """Which extensions to connect to a receiver."""

    pbx: str = Field(description="The short name of the PBX.")
    extensions: list[str] | None = Field(
        description="Their numbers; null: all extensions of the PBX.",
        min_length=1,
        max_length=MAX_USERS_SENT,
    )
    requests: list[str] | None = optional(
        "The names of the recipe's requests. Default: the default requests of the recipe.",
        max_length=100,
    )


class DisconnectionChoice(Body):
    """Which extensions to disconnect from a receiver."""

    pbx: str = Field(description="The short name of the PBX.")
    extensions: list[str] | None = Field(
        description="Their numbers; null: all hooks that the receiver has in the PBX.",
        min_length=1,
        max_length=MAX_USERS_SENT,
    )


class ConnectedHook(Answer):
    """A hook of the receiver."""

    event_id: str
    extension: str | None = Field(description="null: all extensions.")
    request: str = Field(description="The name of the recipe's request.")


class Connection(Answer):
    """The hooks that were created, and those that existed already."""

    created: Sequence[ConnectedHook]
    kept: Sequence[ConnectedHook] = Field(description="Only those that you may see.")
    change_id: str | None = Field(
        description="To undo it with `/hooks/bulk/{change_id}/undo`; null: nothing was created."
    )


class ReceiverTestChoice(Body):
    """Which test request to send."""

    pbx: str = Field(description="The short name of the PBX of the example call.")
    extension: str | None = optional(
        "The number of the example call. Default: 101.", max_length=MAX_NUMBER_LENGTH
    )
    request: str | None = optional(
        "The name of a request of the recipe. Default: that of its test.", max_length=64
    )


class ReceiverUser(Body):
    """Who an extension is in the receiver."""

    extension: str = Field(min_length=1, max_length=MAX_NUMBER_LENGTH)
    user: str = Field(min_length=1, max_length=MAX_USER_LENGTH)


class ShownUser(Answer):
    """Who an extension is in the receiver."""

    extension: str
    user: str


class UserMap(Answer):
    """The users of a PBX's extensions in the receiver."""

    users: Sequence[ShownUser]


class NewUserMap(Body):
    """The whole user map of a PBX."""

    users: list[ReceiverUser] = Field(max_length=MAX_USERS_SENT)
