"""Connection settings of a PBX to follow."""

from dataclasses import dataclass
from datetime import datetime

from callevents.db.models import Connector, Pbx
from callevents.enums import ConnectorKind
from callevents.extensions import cipher, db
from callevents.security.encryption import UnreadableError
from callevents.security.regex import compile_pattern

NO_KEY = "The connector's secret cannot be decrypted with the configured keys. Enter it again."


@dataclass(frozen=True, kw_only=True)
class Target:
    """A connector as it was configured, detached from the database session."""

    pbx: Pbx
    kind: ConnectorKind
    host: str
    port: int
    username: str
    #: None if no key decrypts it.
    secret: str | None
    uses_tls: bool
    #: Only phones of this domain count; empty: all.
    domain: str
    #: Empty also if the stored pattern is invalid, which saving normally prevents.
    extension_pattern: str
    #: Why the stored pattern is ignored; empty if it is valid.
    pattern_error: str
    changed_at: datetime
    #: When an admin last requested the list of extensions.
    list_wanted_at: datetime | None


def make_target(connector: Connector, pbx: Pbx) -> Target:
    """Return the target; detaches the PBX from the session."""
    try:
        secret = cipher.bound.decrypt(connector.secret)
    except UnreadableError:
        secret = None
    pattern, pattern_error = _read_pattern(connector.extension_pattern)
    if pbx in db.session:
        db.session.expunge(pbx)
    return Target(
        pbx=pbx,
        kind=connector.kind,
        host=connector.host,
        port=connector.port,
        username=connector.username,
        secret=secret,
        uses_tls=connector.uses_tls,
        domain=connector.domain,
        extension_pattern=pattern,
        pattern_error=pattern_error,
        changed_at=connector.changed_at,
        list_wanted_at=connector.list_wanted_at,
    )


def _read_pattern(pattern: str) -> tuple[str, str]:
    """Return pattern and error; an invalid pattern becomes empty and must not stop the listener."""
    try:
        compile_pattern(pattern)
    except ValueError as error:
        return "", str(error)
    return pattern, ""
