"""What a listener needs to know of a PBX that it follows."""

from dataclasses import dataclass
from datetime import datetime

from callevents.db.models import Connector, Pbx
from callevents.enums import ConnectorKind
from callevents.extensions import cipher, db
from callevents.security.encryption import UnreadableError
from callevents.security.regex import compile_pattern

UNREADABLE = (
    "The connector's secret cannot be decrypted with the keys that there are. Enter it again."
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A connector as it was set, free of the database's session."""

    pbx: Pbx
    kind: ConnectorKind
    host: str
    port: int
    username: str
    #: None if no key decrypts it.
    secret: str | None
    uses_tls: bool
    #: Empty also where it is none, though that is refused when it is saved.
    extension_pattern: str
    #: Why a stored pattern is ignored.
    pattern_error: str
    changed_at: datetime
    #: When an admin last wanted the PBX to be asked for its extensions.
    list_wanted_at: datetime | None


def make_target(connector: Connector, pbx: Pbx) -> Target:
    """Return what is to be followed; takes the PBX out of the session."""
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
        extension_pattern=pattern,
        pattern_error=pattern_error,
        changed_at=connector.changed_at,
        list_wanted_at=connector.list_wanted_at,
    )


def _read_pattern(pattern: str) -> tuple[str, str]:
    """Return the pattern, or nothing and why: one PBX's must not stop the listener."""
    try:
        compile_pattern(pattern)
    except ValueError as error:
        return "", str(error)
    return pattern, ""
