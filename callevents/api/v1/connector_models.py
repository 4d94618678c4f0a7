"""What the connector of a PBX looks like in requests and answers."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from callevents.api.v1.models import Answer, Body, Moment
from callevents.db import models
from callevents.db.models import MAX_HOST_LENGTH, MAX_PATTERN_LENGTH, MAX_USERNAME_LENGTH
from callevents.enums import ConnectorKind, ConnectorStatus
from callevents.pbxs.connectors import MAX_SECRET_LENGTH, ConnectorConfig, status_of
from callevents.security.regex import compile_pattern

HOST = "The host name or the IP address of the PBX."
USERNAME = (
    "Asterisk: the user in manager.conf. FreeSWITCH: empty, or a user such as 101@pbx.example.com."
)
USES_TLS = "True: the connection is encrypted, and the certificate is checked."
ENABLED = "False: the connector stays set up, and no listener connects."
DOMAIN = "FreeSWITCH: only phones of this domain count; empty: all. Asterisk: empty."
PATTERN = (
    "A regular expression (RE2) for numbers that are extensions besides those of the PBX; empty: "
    "none."
)


def _check_pattern(text: str) -> str:
    try:
        compile_pattern(text)
    except ValueError:
        raise PydanticCustomError(
            "pattern",
            "This is no regular expression of RE2, which has no lookahead, no lookbehind and no "
            "back-references.",
        ) from None
    return text


Pattern = Annotated[str, Field(max_length=MAX_PATTERN_LENGTH), AfterValidator(_check_pattern)]


class Connector(Answer):
    """The settings of a connector, which follows the event stream of a PBX."""

    kind: ConnectorKind
    host: str = Field(description=HOST)
    port: int
    username: str = Field(description=USERNAME)
    has_secret: bool = Field(
        description="False: it was imported without one, and no listener connects. The secret is "
        "never returned."
    )
    uses_tls: bool = Field(description=USES_TLS)
    enabled: bool = Field(description=ENABLED)
    domain: str = Field(description=DOMAIN)
    extension_pattern: str = Field(description=PATTERN)
    modified_at: Moment = Field(description="When these settings were last stored.")
    #: Changes with the secret, and with it the ETag.
    secret_version: str = Field("", exclude=True)

    @classmethod
    def of(cls, connector: models.Connector) -> Self:
        """Return the settings of the connector."""
        return cls(
            kind=connector.kind,
            host=connector.host,
            port=connector.port,
            username=connector.username,
            has_secret=bool(connector.secret),
            uses_tls=connector.uses_tls,
            enabled=connector.enabled,
            domain=connector.domain,
            extension_pattern=connector.extension_pattern,
            modified_at=connector.changed_at,
            secret_version=connector.secret,
        )


class ConnectorSettings(Body):
    """The settings that a connector is to have."""

    kind: ConnectorKind
    host: str = Field(max_length=MAX_HOST_LENGTH, description=HOST)
    port: int | None = Field(
        None, ge=1, le=65535, description="Null: 5038 for Asterisk, 8021 for FreeSWITCH."
    )
    username: str = Field("", max_length=MAX_USERNAME_LENGTH, description=USERNAME)
    secret: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_SECRET_LENGTH,
        description="The password. Null, or left out: the stored one stays. It is required for a "
        "new connector, and if `kind`, `host` or `port` change or TLS is no longer used.",
    )
    uses_tls: bool = Field(False, description=USES_TLS)
    enabled: bool = Field(True, description=ENABLED)
    domain: str = Field("", max_length=MAX_HOST_LENGTH, description=DOMAIN)
    extension_pattern: Pattern = Field("", description=PATTERN)

    def to_config(self) -> ConnectorConfig:
        """Return the settings as the domain has them."""
        return ConnectorConfig(
            kind=self.kind,
            host=self.host,
            port=self.kind.port if self.port is None else self.port,
            username=self.username,
            secret=self.secret or "",
            uses_tls=self.uses_tls,
            enabled=self.enabled,
            domain=self.domain,
            extension_pattern=self.extension_pattern,
        )


class ConnectorState(Answer):
    """Whether a connector is connected, and what it has received."""

    status: ConnectorStatus = Field(
        description="`disabled`; `no_listener`: none runs that could connect; `connecting`; "
        "`connected`; `not_connected`: the last attempt failed, see `last_error`."
    )
    listener: str | None = Field(description="The listener that connects; null: none.")
    connected_since: Moment | None = Field(description="Null: it is not connected.")
    last_message_at: Moment | None
    messages: int = Field(description="Messages received.")
    events: int = Field(description="Call events stored.")
    waiting: int = Field(description="Call events that wait for the database.")
    skipped: int = Field(description="Messages that could not be read or stored.")
    dropped_legs: int = Field(description="Call legs whose end was never received.")
    unseen_legs: int = Field(
        description="Call legs that began and ended while no listener was connected, at most."
    )
    listed: int = Field(description="The extensions in the last list of the PBX.")
    listed_at: Moment | None = Field(description="When the PBX last sent that list.")
    list_notice: str = Field(description="Why the list is empty or incomplete, if it is.")
    last_error: str = Field(description="Empty: there was none since the settings were stored.")
    last_error_at: Moment | None

    @classmethod
    def of(cls, connector: models.Connector) -> Self:
        """Return the state of the connector."""
        status = status_of(connector)
        has_listener = status not in {ConnectorStatus.DISABLED, ConnectorStatus.NO_LISTENER}
        is_connected = status is ConnectorStatus.CONNECTED
        same = cls.model_fields.keys() - {"status", "listener", "connected_since"}
        return cls(
            status=status,
            listener=(connector.leader_name or None) if has_listener else None,
            connected_since=connector.connected_since if is_connected else None,
            **{name: getattr(connector, name) for name in same},
        )
