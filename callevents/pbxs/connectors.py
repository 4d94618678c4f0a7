"""Use cases on connectors: how a PBX's own stream of messages is reached."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from sqlalchemy import select

from callevents.db.models import (
    MAX_HOST_LENGTH,
    MAX_PATTERN_LENGTH,
    MAX_USERNAME_LENGTH,
    Connector,
    Pbx,
    utc_now,
)
from callevents.enums import ConnectorKind
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.security.regex import compile_pattern
from callevents.validation import check_text

MAX_SECRET_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a PBX. An empty secret keeps the one that is stored."""

    kind: ConnectorKind
    host: str
    port: int
    username: str = ""
    secret: str = ""
    uses_tls: bool = False
    enabled: bool = True
    extension_pattern: str = ""


def find_connector(pbx: Pbx) -> Connector | None:
    """Return the PBX's connector, if it has one."""
    return db.session.scalar(select(Connector).where(Connector.pbx_id == pbx.id))


def get_connector(pbx: Pbx) -> Connector:
    """Return the PBX's connector; raises NotFoundError."""
    connector = find_connector(pbx)
    if connector is None:
        raise NotFoundError(f"{pbx.name} has no connector.")
    return connector


def set_connector(pbx: Pbx, access: Access) -> Connector:
    """Give the PBX this connector, or change its own; raises InvalidError about the fields."""
    connector = find_connector(pbx)
    has_secret = connector is not None and _is_same_door(connector, access)
    _check(access, has_secret=has_secret)
    if connector is None:
        connector = Connector(pbx_id=pbx.id)
        db.session.add(connector)
    for name in ("kind", "port", "uses_tls", "enabled"):
        setattr(connector, name, getattr(access, name))
    for name in ("host", "username", "extension_pattern"):
        setattr(connector, name, getattr(access, name).strip())
    if access.secret:
        connector.secret = cipher.encrypt(access.secret)
    connector.changed_at = utc_now()
    connector.last_error, connector.last_error_at = "", None
    connector.list_wanted_at = connector.listed_at = None
    connector.listed, connector.list_notice = 0, ""
    db.session.flush()
    return connector


def remove_connector(pbx: Pbx) -> None:
    """Listen to the PBX no longer; raises NotFoundError if nobody does."""
    db.session.delete(get_connector(pbx))
    db.session.flush()


def want_list(pbx: Pbx) -> None:
    """Have the PBX asked for its extensions soon; raises NotFoundError without a connector."""
    get_connector(pbx).list_wanted_at = utc_now()


def _is_same_door(connector: Connector, access: Access) -> bool:
    """Tell whether the stored secret would go where it went before.

    Otherwise who may change the connector, and was never told the secret, could have it sent to a
    place of their own.
    """
    stored = (connector.kind, connector.host, connector.port)
    weaker = connector.uses_tls and not access.uses_tls
    return stored == (access.kind, access.host.strip(), access.port) and not weaker


def _check(access: Access, *, has_secret: bool) -> None:
    errors: dict[str, list[str]] = {}
    for check in (_check_host, _check_port, _check_username, _check_pattern):
        try:
            check(access)
        except InvalidError as error:
            errors |= error.errors
    if not access.secret and not has_secret:
        errors["secret"] = ["Enter the secret: it is asked for again when the address changes."]
    elif len(access.secret) > MAX_SECRET_LENGTH or not access.secret.isprintable():
        errors["secret"] = [f"At most {MAX_SECRET_LENGTH} printable characters are possible."]
    if errors:
        raise InvalidError(errors)


def _check_host(access: Access) -> None:
    host = access.host.strip()
    if not host:
        raise InvalidError.of("host", "Enter the PBX's host name or address.")
    check_text(host, field="host", max_length=MAX_HOST_LENGTH)
    try:
        ip_address(host)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", host):
            raise InvalidError.of(
                "host", f"{host!r} is no host name or address such as pbx.example.com."
            ) from None


def _check_port(access: Access) -> None:
    if not 1 <= access.port <= 65535:
        raise InvalidError.of("port", "The port is a whole number from 1 to 65535.")


def _check_username(access: Access) -> None:
    username = check_text(access.username.strip(), field="username", max_length=MAX_USERNAME_LENGTH)
    if access.kind is ConnectorKind.ASTERISK and not username:
        raise InvalidError.of("username", "Enter the user's name in manager.conf.")


def _check_pattern(access: Access) -> None:
    pattern = check_text(
        access.extension_pattern.strip(), field="extension_pattern", max_length=MAX_PATTERN_LENGTH
    )
    try:
        compile_pattern(pattern)
    except ValueError as error:
        raise InvalidError.of("extension_pattern", str(error)) from None
