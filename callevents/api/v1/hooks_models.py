"""What the API says of hooks, and what clients send to change them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from callevents.api.v1.deliveries_models import HeaderField
from callevents.api.v1.hooks_conditions import HookConditions
from callevents.api.v1.models import (
    Answer,
    Body,
    GivenMoment,
    ListQuery,
    Moment,
    QueryBoolean,
    optional,
)
from callevents.conditions.document import GivenConditions
from callevents.db.models import MAX_NOTE_LENGTH, MAX_NUMBER_LENGTH, MAX_URL_LENGTH
from callevents.enums import AuthKind, BodyFormat, HookScope, Method, MissingAnswer, ParameterSet
from callevents.hooks.credentials_check import (
    MAX_SCHEME_LENGTH,
    MAX_SECRET_LENGTH,
    MAX_USERNAME_LENGTH,
)
from callevents.hooks.validation import (
    MAX_CUSTOM_HEADERS,
    MAX_HEADER_LENGTH,
    MAX_HEADER_NAME_LENGTH,
)
from callevents.security.masking import MASK
from callevents.validation import MAX_SLUG_LENGTH, EventName

MAX_CONTENT_TYPE_LENGTH = 100
MAX_TEMPLATE_LENGTH = 20_000
#: The choices of 'give up after', in seconds.
GiveUpSeconds = Literal[30, 300, 3600, 86400, 604800]

#: For the description only: the domain says more of what is wrong.
URL_PATTERN: dict[str, Any] = {"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}
URL_DESCRIPTION = (
    "The URL of the receiver. Its path and query may contain placeholders such as `{CallerIDNum}`."
)


BODY_DESCRIPTION = (
    "The body of a request: parameters as a form or JSON, or a template. A `GET` has no body, and "
    "a `DELETE` only one from a template: their parameters are in the query."
)
MAPS_DESCRIPTION = (
    "What is sent instead of values, by the name of the map: `{CallFlow|map:direction}`. The value "
    "`*` stands for all others."
)
SCOPE_DESCRIPTION = (
    "`extension`: a request for each event of each extension; `call`: one for the first such event "
    "of a call, and for a hangup one at the end of the whole call."
)
ANSWERS_DESCRIPTION = (
    "JSON pointers (RFC 6901) to values of the receiver's answer, by the name under which they are "
    "kept: later requests of the call to this receiver have them as `{answer.NAME}`."
)
MISSING_DESCRIPTION = (
    "If a kept value is missing, the request fails, or is sent with an empty value (`omit`)."
)


class HookHeader(Answer):
    """A custom header. Its value is secret."""

    name: str


class HookAuthentication(Answer):
    """How requests authenticate. Username, password, scheme and token are secret."""

    kind: AuthKind


class Hook(Answer):
    """A configured request: for an event type of an extension, or of all, to a URL."""

    event_id: str = Field(description="The Event ID: the ID of the hook.")
    pbx: str = Field(description="The short name of the PBX.")
    extension: str | None = Field(
        description="The number of the extension; null: all extensions of the PBX."
    )
    extension_id: str | None = Field(description="The ID of the extension.")
    event: EventName
    url: str = Field(
        description=f"The URL of the receiver. Secrets in it are masked as `{MASK}`: get the whole "
        "URL from `/hooks/{event_id}/url`."
    )
    origin: str = Field(description="Scheme, host and port of the URL.")
    receiver: str | None = Field(
        description="The short name of the receiver that the hook belongs to; null: none."
    )
    method: Method
    active: bool
    note: str
    give_up_seconds: int = Field(description="No attempt starts when a delivery is older.")
    in_order: bool = Field(description="Requests of the same call are sent in order.")
    body_format: BodyFormat = Field(description=BODY_DESCRIPTION)
    parameters: ParameterSet
    content_type: str = Field(description="The content type of the template.")
    body_template: str = Field(description="The body, with placeholders such as `{CallerIDNum}`.")
    value_maps: Mapping[str, Mapping[str, str]] = Field(description=MAPS_DESCRIPTION)
    scope: HookScope = Field(description=SCOPE_DESCRIPTION)
    conditions: HookConditions | None = Field(
        description="Conditions that an event must meet; null: none."
    )
    answers: Mapping[str, str] = Field(description=ANSWERS_DESCRIPTION)
    missing_answer: MissingAnswer = Field(description=MISSING_DESCRIPTION)
    headers: list[HookHeader] = Field(description="Custom headers, without their values.")
    authentication: HookAuthentication
    is_signed: bool = Field(description="The hook has a signing secret.")
    previous_secret_until: Moment | None = Field(
        description="Until then, requests are signed with the previous secret too."
    )
    suspended_at: Moment | None = Field(
        description="When the hook was suspended: nothing is sent until it is resumed."
    )
    suspended_reason: str = Field(description="Empty: it is not suspended.")
    failing_since: Moment | None = Field(
        description="When the first failure since the last success was."
    )
    created_at: Moment
    modified_at: Moment


class HookUrl(Answer):
    """The URL of a hook, with the secrets in it."""

    url: str


class NewHookHeader(Body):
    """A custom header."""

    name: str = Field(min_length=1, max_length=MAX_HEADER_NAME_LENGTH)
    value: str | None = optional(
        "Printable ASCII, with placeholders. Without it, the stored value of the header with this "
        "name is kept.",
        max_length=MAX_HEADER_LENGTH,
    )


class NewHookAuthentication(Body):
    """The authentication of requests. With the kind alone, what is stored is kept."""

    kind: AuthKind
    username: str | None = optional(
        "For `basic`, together with `password`.", max_length=MAX_USERNAME_LENGTH
    )
    password: str | None = optional("For `basic`.", max_length=MAX_SECRET_LENGTH)
    scheme: str | None = optional(
        "For `scheme`, together with `token`: such as `Zoho-oauthtoken`.",
        max_length=MAX_SCHEME_LENGTH,
    )
    token: str | None = optional("For `bearer` and `scheme`.", max_length=MAX_SECRET_LENGTH)


class HookSettings(Body):
    """What can be changed of a hook, besides its URL. null is the default."""

    method: Method | None = optional("Default: `GET`.")
    active: bool | None = optional("Default: true.")
    note: str | None = optional("Default: empty.", max_length=MAX_NOTE_LENGTH)
    give_up_seconds: GiveUpSeconds | None = optional(
        "No attempt starts when a delivery is older. Default: 86400."
    )
    in_order: bool | None = optional("Send requests of the same call in order. Default: true.")
    body_format: BodyFormat | None = optional(f"{BODY_DESCRIPTION} Default: `form`.")
    parameters: ParameterSet | None = optional(
        "Send all parameters, VoipNow's ten, or none. Default: `all`."
    )
    content_type: str | None = optional(
        "The content type of the template, such as `application/json`.",
        max_length=MAX_CONTENT_TYPE_LENGTH,
    )
    body_template: str | None = optional(
        "The body for the format `template`, with placeholders. Default: empty.",
        max_length=MAX_TEMPLATE_LENGTH,
    )
    value_maps: dict[str, dict[str, str]] | None = optional(
        f"{MAPS_DESCRIPTION} All maps: one that is left out is removed. Default: none."
    )
    scope: HookScope | None = optional(f"{SCOPE_DESCRIPTION} Default: `extension`.")
    conditions: GivenConditions | None = optional(
        "All conditions: one that is left out is removed. Default: none."
    )
    answers: dict[str, str] | None = optional(
        f"{ANSWERS_DESCRIPTION} For hooks of a receiver. Default: none."
    )
    missing_answer: MissingAnswer | None = optional(f"{MISSING_DESCRIPTION} Default: `fail`.")
    headers: list[NewHookHeader] | None = optional(
        "All custom headers: one that is left out is removed. Default: none.",
        max_length=MAX_CUSTOM_HEADERS,
    )
    authentication: NewHookAuthentication | None = optional("Default: none.")
    receiver: str | None = optional(
        "The short name of the receiver that the hook belongs to: its URL begins with the "
        "receiver's address. Default: none.",
        max_length=MAX_SLUG_LENGTH,
    )


class NewHook(HookSettings):
    """A hook to add."""

    pbx: str = Field(description="The short name of the PBX.")
    extension: str | None = Field(
        description="The number of the extension; null: all extensions.",
        max_length=MAX_NUMBER_LENGTH,
    )
    event: EventName
    url: str = Field(
        description=URL_DESCRIPTION, max_length=MAX_URL_LENGTH, json_schema_extra=URL_PATTERN
    )


class HookChanges(HookSettings):
    """What to change of a hook. Fields that are left out stay as they are."""

    # null is refused: a hook needs a URL. A default would be a URL that nobody has sent.
    url: str = Field(
        default_factory=str,
        description=f"{URL_DESCRIPTION} The masked URL that you got keeps the stored one.",
        max_length=MAX_URL_LENGTH,
        json_schema_extra=URL_PATTERN,
    )


class HookQuery(ListQuery):
    """Which hooks to list."""

    pbx: str = optional("The short name of the PBX.")
    extension: str = optional(
        "The number of an extension, together with `pbx`; or `*` for hooks of all extensions."
    )
    event: EventName = optional("The event type.")
    active: QueryBoolean = optional("Whether the hook is active.")
    suspended: QueryBoolean = optional("Whether the hook is suspended.")
    origin: str = optional(
        "A URL such as `https://crm.example.com`: hooks with its scheme, host and port."
    )
    receiver: str = optional("The short name of a receiver: hooks that belong to it.")


class HookTest(Answer):
    """What came back for a test request. Secrets in it are masked."""

    started_at: Moment
    duration_ms: int
    is_successful: bool = Field(description="The receiver has returned a status from 200 to 299.")
    status_code: int | None = Field(description="null: there was no complete response.")
    error: str = Field(description="Why the test has failed; empty if it has not.")
    headers: Sequence[HeaderField]
    body: str = Field(description="The beginning of the body.")
    is_truncated: bool = Field(description="The body is longer than this.")


class SigningSecret(Answer):
    """A new signing secret. It cannot be read again."""

    secret: str
    previous_secret_until: Moment | None = Field(
        description="Until then, requests are signed with the previous secret too."
    )


class Recovery(Body):
    """Which failed deliveries to send again."""

    since: GivenMoment = Field(description="Deliveries that were created since then.")
    dry_run: bool = Field(default=False, description="Change nothing; count what would be sent.")
    cursor: str = optional(
        "`next_cursor` of the answer before; leave it out the first time.", max_length=500
    )
