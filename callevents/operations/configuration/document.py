"""The document of a configuration. It has no secrets: where there is one, it says so."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from callevents.conditions.document import GivenConditions
from callevents.db.models import (
    EVENT_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_NUMBER_LENGTH,
    MAX_PATTERN_LENGTH,
    MAX_URL_LENGTH,
)
from callevents.enums import (
    AuthKind,
    BodyFormat,
    ConnectorKind,
    EventType,
    Format,
    HookScope,
    Method,
    MissingAnswer,
    ParameterSet,
)
from callevents.hooks.hooks import HookData
from callevents.hooks.options import HookOptions
from callevents.hooks.validation import MAX_CUSTOM_HEADERS
from callevents.operations.configuration.part import Part
from callevents.operations.configuration.receiver_document import ConfiguredReceiver
from callevents.security.masking import MASK
from callevents.validation import EventName

DEFAULTS = HookOptions()

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
EventId = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9]{{{EVENT_ID_LENGTH}}}$")]


class ConfiguredHook(Part):
    """The request for one call event."""

    event: EventName
    url: str = Field(
        max_length=MAX_URL_LENGTH,
        description=f"With `{MASK}` in the place of secrets, such as a token in the query.",
    )
    event_id: EventId | None = Field(
        None, description="Without one, a request of the same event is looked for by its URL."
    )
    method: Method = Method.GET
    active: bool = True
    note: str = ""
    give_up_seconds: int = DEFAULTS.give_up_seconds
    in_order: bool = DEFAULTS.in_order
    body_format: BodyFormat = DEFAULTS.body_format
    parameters: ParameterSet = DEFAULTS.parameters
    content_type: str = Field("", description="The content type of the template.")
    body_template: str = Field("", description="The body, with placeholders.")
    value_maps: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="What is sent instead of values, by the name of the map."
    )
    scope: HookScope = DEFAULTS.scope
    once_with: EventId | None = Field(
        None,
        description="The Event ID of a request of the same PBX with which it is sent once per call "
        "together; null: as it is.",
    )
    conditions: GivenConditions | None = Field(
        None, description="Conditions that an event must meet; null: none."
    )
    answers: dict[str, str] = Field(
        default_factory=dict, description="JSON pointers to values of the answer that are kept."
    )
    missing_answer: MissingAnswer = DEFAULTS.answers.missing
    headers: list[str] = Field(
        default_factory=list,
        max_length=MAX_CUSTOM_HEADERS,
        description="The names of the custom headers; values are secrets.",
    )
    authentication: AuthKind = AuthKind.NONE
    is_signed: bool = Field(False, description="Whether requests are signed.")
    receiver: Slug | None = Field(
        None, description="The receiver that it belongs to. Its URL begins with its address."
    )
    recipe_request: str = Field(
        "", max_length=64, description="The request of the receiver's recipe that made it."
    )

    @property
    def event_type(self) -> EventType:
        """The event type."""
        return EventType.from_slug(self.event)


class ConfiguredExtension(Part):
    """An extension with its requests."""

    number: str = Field(min_length=1, max_length=MAX_NUMBER_LENGTH)
    name: str = Field("", max_length=MAX_NAME_LENGTH)
    hooks: list[ConfiguredHook] = Field(default_factory=list)


class ConfiguredGroup(Part):
    """A group of extensions."""

    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    pattern: str = Field(
        "",
        max_length=MAX_PATTERN_LENGTH,
        description="A regular expression: extensions whose whole number matches are members.",
    )
    members: list[str] = Field(default_factory=list, description="The numbers of other members.")
    template: str = Field(
        "",
        max_length=MAX_NUMBER_LENGTH,
        description="The number of the extension whose requests new members get.",
    )


class ConfiguredConnector(Part):
    """How Call Events connects to the PBX."""

    kind: ConnectorKind
    host: str
    port: int
    username: str = ""
    uses_tls: bool = False
    enabled: bool = True
    domain: str = ""
    extension_pattern: str = ""


class ConfiguredQuotas(Part):
    """Quotas of a PBX; null is no limit."""

    max_events_per_minute: int | None = None
    max_hooks: int | None = None
    max_extensions: int | None = None
    max_open_deliveries: int | None = None


class ConfiguredPbx(Part):
    """A PBX with all that is configured for it."""

    slug: Slug
    name: str = Field(min_length=1, max_length=MAX_NAME_LENGTH)
    format: Format = Format.GENERIC
    has_format_secret: bool = Field(
        False, description="Whether the signatures of the vendor's reports are verified."
    )
    retention_days: int | None = None
    hides_numbers: bool = False
    country: str = Field("", description="The country of its numbers, in two letters.")
    outside_prefix: str = Field("", description="Digits dialed before outside numbers.")
    trunk_prefix: str = Field("", description="Digits that trunks put before numbers.")
    internal_lengths: list[int] = Field(
        default_factory=list, description="The lengths of internal numbers, in digits."
    )
    quotas: ConfiguredQuotas = ConfiguredQuotas()
    connector: ConfiguredConnector | None = None
    hooks: list[ConfiguredHook] = Field(
        default_factory=list, description="The requests for all extensions."
    )
    extensions: list[ConfiguredExtension] = Field(default_factory=list)
    groups: list[ConfiguredGroup] = Field(default_factory=list)


class Document(Part):
    """The configuration of an installation."""

    version: Literal[1] = 1
    receivers: list[ConfiguredReceiver] = Field(default_factory=list)
    pbxs: list[ConfiguredPbx] = Field(default_factory=list)


class Secrets(Part):
    """Secrets, encrypted with a passphrase; see sealing.py."""

    key: str = Field(description="How the key is derived from the passphrase.")
    pbxs: dict[str, str] = Field(default_factory=dict)
    connectors: dict[str, str] = Field(default_factory=dict)
    hooks: dict[str, str] = Field(default_factory=dict, description="By Event ID.")
    receivers: dict[str, str] = Field(default_factory=dict)

    def of(self, kind: str) -> dict[str, str]:
        """Return the secrets of the objects of a kind, such as `hook`."""
        found: dict[str, str] = getattr(self, f"{kind}s")
        return found


class SealedDocument(Document):
    """A configuration that may have secrets, as commands read and write it."""

    secrets: Secrets | None = None


def new_data(
    wanted: ConfiguredHook, options: HookOptions, receiver_id: int | None = None
) -> HookData:
    """Return the values of a hook for the request, with these options."""
    return HookData(
        wanted.url,
        wanted.method,
        wanted.active,
        wanted.note,
        options,
        receiver_id,
        wanted.recipe_request if receiver_id else "",
        keeps_receiver=False,
    )
