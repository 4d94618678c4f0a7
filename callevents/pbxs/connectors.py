"""Use cases on connectors, which follow the event stream of a PBX."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_connector
from callevents.db.locks import lock_pbx
from callevents.db.models import (
    MAX_HOST_LENGTH,
    MAX_PATTERN_LENGTH,
    MAX_USERNAME_LENGTH,
    Connector,
    Pbx,
    utc_now,
)
from callevents.enums import ConnectorKind, ConnectorState, ConnectorStatus
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import cipher, db
from callevents.security.regex import compile_pattern
from callevents.validation import check_text

MAX_SECRET_LENGTH = 200

_STATUSES = {
    ConnectorState.CONNECTED: ConnectorStatus.CONNECTED,
    ConnectorState.CONNECTING: ConnectorStatus.CONNECTING,
    ConnectorState.PAUSING: ConnectorStatus.NOT_CONNECTED,
}


@dataclass(frozen=True, kw_only=True)
class ConnectorConfig:
    """How to connect to a PBX. An empty secret keeps the stored one."""

    kind: ConnectorKind
    host: str
    port: int
    username: str = ""
    secret: str = ""
    uses_tls: bool = False
    enabled: bool = True
    #: FreeSWITCH: only phones of this domain (tenant) count; empty: all.
    domain: str = ""
    extension_pattern: str = ""


def find_connector(pbx: Pbx) -> Connector | None:
    """Return the PBX's connector, or None."""
    return db.session.scalar(select(Connector).where(Connector.pbx_id == pbx.id))


def get_connector(pbx: Pbx) -> Connector:
    """Return the PBX's connector; raises NotFoundError."""
    connector = find_connector(pbx)
    if connector is None:
        raise NotFoundError(f"{pbx.name} has no connector.")
    return connector


def set_connector(pbx: Pbx, config: ConnectorConfig) -> Connector:
    """Create or change the PBX's connector; raises InvalidError about the fields."""
    connector = find_connector(pbx)
    has_secret = connector is not None and _has_same_target(connector, config)
    _check(config, has_secret=has_secret)
    lock_pbx(db.session.connection(), pbx.id)
    before = _values(connector) if connector is not None else {}
    if connector is None:
        connector = Connector(pbx_id=pbx.id)
        db.session.add(connector)
    for name in ("kind", "port", "uses_tls", "enabled"):
        setattr(connector, name, getattr(config, name))
    for name in ("host", "username", "domain", "extension_pattern"):
        setattr(connector, name, getattr(config, name).strip())
    if config.secret:
        connector.secret = cipher.encrypt(config.secret)
    connector.changed_at = utc_now()
    connector.last_error, connector.last_error_at = "", None
    connector.list_wanted_at = connector.listed_at = None
    connector.listed, connector.list_notice = 0, ""
    db.session.flush()
    _record(pbx, connector, before)
    return connector


def remove_connector(pbx: Pbx) -> None:
    """Remove the PBX's connector; raises NotFoundError if it has none."""
    connector = get_connector(pbx)
    target = of_connector(connector, pbx)
    audit.record(audit.Action.CONNECTOR_REMOVED, target, before=_values(connector))
    db.session.delete(connector)
    db.session.flush()


def status_of(connector: Connector) -> ConnectorStatus:
    """Return whether the connector is connected."""
    if not connector.enabled:
        return ConnectorStatus.DISABLED
    if connector.leader_until is None or connector.leader_until < utc_now():
        return ConnectorStatus.NO_LISTENER
    return _STATUSES[connector.state]


def request_list(pbx: Pbx) -> None:
    """Request the PBX's list of extensions; raises NotFoundError without a connector."""
    get_connector(pbx).list_wanted_at = utc_now()


def _values(connector: Connector) -> dict[str, object]:
    """Return what users can change, as the history shows it."""
    names = ("kind", "host", "port", "username", "uses_tls", "enabled", "domain")
    values = {name: getattr(connector, name) for name in (*names, "extension_pattern")}
    return {**values, "secret": audit.Hidden(connector.secret)}


def _record(pbx: Pbx, connector: Connector, before: dict[str, object]) -> None:
    after = _values(connector)
    changed = {name for name in after if before.get(name) != after[name]}
    action = audit.Action.CONNECTOR_CHANGED if before else audit.Action.CONNECTOR_ADDED
    if before and changed == {"enabled"}:
        is_on = connector.enabled
        action = audit.Action.CONNECTOR_ENABLED if is_on else audit.Action.CONNECTOR_DISABLED
    audit.record_change(action, of_connector(connector, pbx), before, after)


def _has_same_target(connector: Connector, config: ConnectorConfig) -> bool:
    """Return True if the stored secret would be sent to the same target.

    Otherwise a user who does not know the secret could have it sent to another host.
    """
    stored = (connector.kind, connector.host, connector.port)
    weaker = connector.uses_tls and not config.uses_tls
    return stored == (config.kind, config.host.strip(), config.port) and not weaker


def _check(config: ConnectorConfig, *, has_secret: bool) -> None:
    errors: dict[str, list[str]] = {}
    for check in (_check_host, _check_port, _check_username, _check_domain, _check_pattern):
        try:
            check(config)
        except InvalidError as error:
            errors |= error.errors
    if not config.secret and not has_secret:
        errors["secret"] = ["Enter the secret. It is required again when the address changes."]
    elif len(config.secret) > MAX_SECRET_LENGTH or not config.secret.isprintable():
        errors["secret"] = [f"Must be at most {MAX_SECRET_LENGTH} printable characters."]
    if errors:
        raise InvalidError(errors)


def _check_host(config: ConnectorConfig) -> None:
    host = config.host.strip()
    if not host:
        raise InvalidError.of("host", "Enter the PBX's host name or address.")
    check_text(host, field="host", max_length=MAX_HOST_LENGTH)
    try:
        ip_address(host)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", host):
            raise InvalidError.of(
                "host",
                "This is no host. Enter a name or an IP address such as pbx.example.com.",
            ) from None


def _check_port(config: ConnectorConfig) -> None:
    if not 1 <= config.port <= 65535:
        raise InvalidError.of("port", "The port is a whole number from 1 to 65535.")


def _check_username(config: ConnectorConfig) -> None:
    username = check_text(config.username.strip(), field="username", max_length=MAX_USERNAME_LENGTH)
    if config.kind is ConnectorKind.ASTERISK and not username:
        raise InvalidError.of("username", "Enter the user's name in manager.conf.")


def _check_domain(config: ConnectorConfig) -> None:
    domain = check_text(config.domain.strip(), field="domain", max_length=MAX_HOST_LENGTH)
    if domain and config.kind is not ConnectorKind.FREESWITCH:
        raise InvalidError.of("domain", "Only FreeSWITCH has domains. Leave this empty.")
    if "@" in domain or " " in domain:
        raise InvalidError.of(
            "domain", "This is no domain. Enter a name such as tenant.example.com."
        )


def _check_pattern(config: ConnectorConfig) -> None:
    pattern = check_text(
        config.extension_pattern.strip(), field="extension_pattern", max_length=MAX_PATTERN_LENGTH
    )
    try:
        compile_pattern(pattern)
    except ValueError as error:
        raise InvalidError.of("extension_pattern", str(error)) from None
